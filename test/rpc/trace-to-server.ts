// Hands a handler's trace on to the calls that it makes with its `context.values` as their `contextValues`.
import type { Interceptor } from "@connectrpc/connect";
import { traceHeader, traceparentKey } from "../../src/rpc/trace.ts";

export const traceToServer: Interceptor = (next) => (request) => {
	const value = request.contextValues.get(traceparentKey);
	if (value !== undefined) request.header.set(traceHeader, value);
	return next(request);
};
