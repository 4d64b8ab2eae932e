// The calls by hand that the README shows, one for each verb of a payment's life, as data: a test runs them with the real buf.

/** Where the README finds the cache: the default of RPC_ADDR. */
export const bufCurlAddress = "http://127.0.0.1:9998";

export interface BufCurl {
	readonly method: string;
	/** The request as JSON. `TOKEN` and `EPOCH` stand for what the job before it was handed out with. */
	readonly request: string;
	/** A stream that does not end by itself: it is ended once it said something. */
	readonly streams?: true;
	/** A part of the answer as it must be; one answer of several where it streams. */
	readonly answer: Readonly<Record<string, unknown>>;
}

const first = "5f4b9c3e-0d3a-4a62-8f0e-6f1f1d2a7c10";
const second = "5f4b9c3e-0d3a-4a62-8f0e-6f1f1d2a7c11";
const charge = `{"processor": "PROCESSOR_DEFAULT", "amountCents": 1990, "requestedAtUs": 1767225600000000}`;

/** In this order, against a cache that no consumer serves: a consumer would be faster than any hand. */
export const bufCurls: readonly BufCurl[] = [
	{
		method: "QueueService/Enqueue",
		request: `{"id": "${first}", "amountCents": 1990}`,
		answer: { outcome: "ENQUEUE_OUTCOME_ACCEPTED" },
	},
	{
		method: "QueueService/Dequeue",
		request: `{"sessionId": "by-hand"}`,
		answer: { job: { id: first, amountCents: "1990" } },
	},
	{
		method: "QueueService/Pin",
		request: `{"id": "${first}", "token": "TOKEN", "epoch": "EPOCH", "processor": "PROCESSOR_DEFAULT"}`,
		answer: { outcome: "PIN_OUTCOME_PINNED" },
	},
	{
		method: "StatsService/InsertStats",
		request: `{"settlements": [{"id": "${first}", "epoch": "EPOCH", "proof": "PROOF_CHARGED", "charge": ${charge}}]}`,
		answer: { outcomes: ["SETTLE_OUTCOME_SETTLED"] },
	},
	{
		method: "StatsService/Summary",
		request: `{"from": "2026-01-01T00:00:00Z", "to": "2026-12-31T23:59:59.999999Z"}`,
		answer: { default: { count: "1", amountCents: "1990" }, fallback: {} },
	},
	{
		method: "QueueService/Enqueue",
		request: `{"id": "${second}", "amountCents": 5}`,
		answer: { outcome: "ENQUEUE_OUTCOME_ACCEPTED" },
	},
	{
		method: "QueueService/DequeueBatch",
		request: `{"sessionId": "by-hand", "credit": 10}`,
		streams: true,
		answer: { jobs: [{ id: second, amountCents: "5" }] },
	},
];

/** The arguments of `buf`. */
export function bufArguments({ method, request }: BufCurl, address = bufCurlAddress): string[] {
	return ["curl", "--http2-prior-knowledge", "-d", request, `${address}/payrelay.v1.${method}`];
}

/** The line to type, with the tokens still to be filled in. */
export function bufCommandLine(call: BufCurl): string {
	const words = bufArguments(call).map((word) => (/[\s"{]/.test(word) ? `'${word}'` : word));
	return `npx buf ${words.join(" ")}`;
}
