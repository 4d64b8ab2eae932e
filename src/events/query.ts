// The query back: a payment as `GET /payments/{id}` of an api shows it, with exact amounts.
import { parseCents } from "../payment/amount.ts";
import { parseInstant } from "../payment/instant.ts";
import type { PaymentState } from "../payment/life.ts";
import type { Processor } from "../payment/payment.ts";

/** What a subscriber is told of a payment. Moments in µs. */
export interface QueriedPayment {
	readonly id: string;
	readonly amountCents: bigint;
	readonly state: PaymentState;
	readonly acceptedAtUs: number;
	/** Where it was charged, or else may have been. */
	readonly processor?: Processor;
	readonly requestedAtUs?: number;
	/** What the processor recorded. */
	readonly chargedCents?: bigint;
	readonly settledAtUs?: number;
	/** A person should look at it. */
	readonly flagged: boolean;
}

export interface QueryBounds {
	readonly timeoutMs: number;
	readonly bodyMaxBytes: number;
}

const queryBounds: QueryBounds = { timeoutMs: 2_000, bodyMaxBytes: 64 * 1024 };

/**
 * Asks the api at `baseUrl`. Resolves to undefined on 404; rejects on any other answer but 200, on an answer that is not
 * understood or too long, and when there is none in time.
 */
export function queryPayment(
	baseUrl: string,
	bounds: QueryBounds = queryBounds,
): (id: string, signal: AbortSignal) => Promise<QueriedPayment | undefined> {
	return async (id, signal) => {
		const response = await fetch(new URL(`/payments/${id}`, baseUrl), {
			headers: { accept: "application/json" },
			signal: AbortSignal.any([signal, AbortSignal.timeout(bounds.timeoutMs)]),
		});
		const text = await readText(response, bounds.bodyMaxBytes);
		if (response.status === 404) return undefined;
		if (response.status !== 200) throw new Error(`the query of payment ${id} was answered ${response.status}`);
		return toPayment(text, id);
	};
}

async function readText(response: Response, maxBytes: number): Promise<string> {
	const decoder = new TextDecoder();
	let text = "";
	let length = 0;
	for await (const chunk of response.body ?? []) {
		length += chunk.length;
		if (length > maxBytes) throw new Error(`the answer has more than ${maxBytes} bytes`);
		text += decoder.decode(chunk, { stream: true });
	}
	return text + decoder.decode();
}

function toPayment(text: string, id: string): QueriedPayment {
	// The digits of an amount, not the double that they come nearest to.
	const view = JSON.parse(text, (key, value, { source }) =>
		key === "amount" || key === "chargedAmount" ? parseCents(source ?? "") : value,
	) as Readonly<Record<string, unknown>>;
	const amountCents = view.amount as bigint | undefined;
	const acceptedAtUs = instant(view.acceptedAt);
	if (view.correlationId !== id || amountCents === undefined || acceptedAtUs === undefined)
		throw new Error(`the answer to the query of payment ${id} is not understood`);
	const requestedAtUs = instant(view.requestedAt);
	const settledAtUs = instant(view.settledAt);
	return {
		id,
		amountCents,
		state: view.state as PaymentState,
		acceptedAtUs,
		...(view.processor !== undefined && { processor: view.processor as Processor }),
		...(requestedAtUs !== undefined && { requestedAtUs }),
		...(view.chargedAmount !== undefined && { chargedCents: view.chargedAmount as bigint }),
		...(settledAtUs !== undefined && { settledAtUs }),
		flagged: view.flagged === true,
	};
}

const instant = (value: unknown): number | undefined => (typeof value === "string" ? parseInstant(value) : undefined);
