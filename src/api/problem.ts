// Problem documents (RFC 9457): every answer that is not what the caller hoped for has one shape.

/** What can be wrong: the slug that ends the document's `type`, its status and its title. */
const kinds = {
	"malformed-request": [400, "The request is not valid HTTP"],
	"malformed-body": [400, "The body is not a JSON object"],
	"invalid-payment": [400, "The payment is not valid"],
	"invalid-query": [400, "The query is not valid"],
	"invalid-id": [400, "The payment's id is not a UUID"],
	"invalid-resolution": [400, "The resolution is not valid"],
	unauthorized: [401, "A key is needed"],
	"not-found": [404, "There is nothing here"],
	"unknown-payment": [404, "No such payment"],
	"method-not-allowed": [405, "The method is not allowed here"],
	"request-timeout": [408, "The request took too long to arrive"],
	"payment-conflict": [409, "The id belongs to another payment"],
	"not-parked": [409, "The payment is not parked, or the decision does not fit it"],
	"body-too-large": [413, "The body is too large"],
	"unsupported-media-type": [415, "The body must be application/json"],
	"expectation-failed": [417, "The expectation cannot be met"],
	"queue-full": [429, "The queue is full"],
	"headers-too-large": [431, "The header is too large"],
	internal: [500, "Something went wrong here"],
	"coding-unknown": [501, "The transfer coding is not understood"],
	unavailable: [503, "The store cannot be reached"],
} as const satisfies Record<string, readonly [status: number, title: string]>;

export type ProblemKind = keyof typeof kinds;

/** One offending place: a JSON Pointer into the body as a fragment (RFC 6901), or the name of a query parameter. */
export type FieldError = { readonly detail: string } & ({ readonly pointer: string } | { readonly parameter: string });

export interface Problem {
	readonly kind: ProblemKind;
	/** A sentence on this occurrence, for people. It never repeats what the caller sent, and tells nothing of the code. */
	readonly detail: string;
	readonly errors?: readonly FieldError[];
	readonly headers?: Readonly<Record<string, string>>;
}

export function problemStatus(kind: ProblemKind): number {
	return kinds[kind][0];
}

export function problemBody({ kind, detail, errors }: Problem): string {
	const [status, title] = kinds[kind];
	return JSON.stringify({ type: `urn:problem-type:payrelay:${kind}`, title, status, detail, errors });
}

export function problemHeaders({ headers }: Problem): Record<string, string> {
	return { "content-type": "application/problem+json", "cache-control": "no-store", ...headers };
}

export function problemResponse(problem: Problem): Response {
	return new Response(problemBody(problem), {
		status: problemStatus(problem.kind),
		headers: problemHeaders(problem),
	});
}
