// A processor's fee: a decimal rate, applied to a total without losing a digit.

export interface FeeRate {
	/** As it was given: decimal text, and a valid JSON number. */
	readonly text: string;
	/** The fee on so many cents, exact, as decimal text. */
	of(cents: bigint): string;
}

const decimal = /^(?:0|[1-9]\d{0,8})(?:\.(\d{1,18}))?$/;

/** `text`: a rate such as `0.05`; throws a RangeError where it is no decimal of zero or more. */
export function createFeeRate(text: string): FeeRate {
	const match = decimal.exec(text);
	if (!match) throw new RangeError(`a fee must be a decimal such as 0.05, not "${text}"`);
	const scale = 2 + (match[1] ?? "").length;
	const rate = BigInt(text.replace(".", ""));
	return {
		text,
		of(cents) {
			const product = cents * rate;
			const digits = (product < 0n ? -product : product).toString().padStart(scale + 1, "0");
			return `${product < 0n ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
		},
	};
}
