// Gives a handler the W3C trace context (`traceparent`) of its call.
import { type ContextKey, createContextKey, type Interceptor } from "@connectrpc/connect";

export const traceHeader = "traceparent";
/** https://www.w3.org/TR/trace-context/#traceparent-header, version 00; anything else is left out. */
const wellFormed = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Where a handler finds it in its `context.values`. */
export const traceparentKey: ContextKey<string | undefined> = createContextKey<string | undefined>(undefined, {
	description: traceHeader,
});

export const traceFromCaller: Interceptor = (next) => (request) => {
	const value = request.header.get(traceHeader);
	if (value !== null && wellFormed.test(value)) request.contextValues.set(traceparentKey, value);
	return next(request);
};
