// Carries the W3C trace context (`traceparent`) from a call's header to its handler, and from there to the calls it makes.
import { type ContextKey, createContextKey, type Interceptor } from "@connectrpc/connect";

const header = "traceparent";
/** https://www.w3.org/TR/trace-context/#traceparent-header, version 00; anything else is not passed on. */
const wellFormed = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** A handler passes its `context.values` as the `contextValues` of the calls that it makes, and that is all. */
export const traceparentKey: ContextKey<string | undefined> = createContextKey<string | undefined>(undefined, {
	description: header,
});

export const traceFromCaller: Interceptor = (next) => (request) => {
	const value = request.header.get(header);
	if (value !== null && wellFormed.test(value)) request.contextValues.set(traceparentKey, value);
	return next(request);
};

export const traceToServer: Interceptor = (next) => (request) => {
	const value = request.contextValues.get(traceparentKey);
	if (value !== undefined) request.header.set(header, value);
	return next(request);
};
