// What became of every post of a run: one byte a payment.

/**
 * `accepted`: 2XX. `refused`: 4XX, which says that nothing was stored. `unclear`: 5XX, a time-out, a broken connection:
 * the payment may have been stored. `open`: no answer yet.
 */
export type Outcome = "open" | "accepted" | "refused" | "unclear";

export interface Outcomes {
	/** The number of a payment that is about to be posted. */
	begin(): number;
	end(n: number, outcome: Exclude<Outcome, "open">): void;
	of(n: number): Outcome;
	/** How many were begun: their numbers are 0 to count − 1. */
	count(): number;
}

const names: readonly Outcome[] = ["open", "accepted", "refused", "unclear"];
const codes = { accepted: 1, refused: 2, unclear: 3 } as const;

export function createOutcomes(capacity = 1 << 16): Outcomes {
	let bytes = new Uint8Array(capacity);
	let count = 0;
	return {
		begin() {
			if (count === bytes.length) {
				const grown = new Uint8Array(bytes.length * 2);
				grown.set(bytes);
				bytes = grown;
			}
			return count++;
		},
		end(n, outcome) {
			bytes[n] = codes[outcome];
		},
		of: (n) => names[bytes[n] as number] as Outcome,
		count: () => count,
	};
}

/** What an HTTP status says about a post. */
export function outcomeOfStatus(status: number): Exclude<Outcome, "open"> {
	if (status >= 200 && status < 300) return "accepted";
	return status >= 400 && status < 500 ? "refused" : "unclear";
}
