// What every call meets at the edge of a service, in this order: its trace is taken up, errors are kept in, requests checked.
import type { Interceptor } from "@connectrpc/connect";
import { errorInterceptor, type FaultLog } from "./errors.ts";
import { traceFromCaller } from "./trace.ts";
import type { Validation } from "./validate.ts";

export function edgeInterceptors(validation: Validation, log: FaultLog): Interceptor[] {
	return [traceFromCaller, errorInterceptor(log), validation.interceptor];
}
