// The memory carrier: calls within one process, through the same serialization, interceptors and limits as on a wire.
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createUniversalHandlerClient } from "@connectrpc/connect/protocol";
import { createHandlers, type Routes, transportOver } from "./carrier.ts";

/** `interceptors` are the server's. Nothing is open between calls, so there is nothing to close. */
export function connectMemory(routes: Routes, interceptors: readonly Interceptor[] = []): Transport {
	return transportOver(createUniversalHandlerClient(createHandlers({ routes, interceptors })), "http://memory");
}
