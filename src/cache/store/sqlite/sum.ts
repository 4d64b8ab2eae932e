// A check sum over a row's numbers: SQLite keeps none for the pages of its database, and a flipped bit in an amount or
// a state would pass unseen.

/** A prime: no change of a single bit leaves the sum as it was. */
const modulus = 2 ** 31 - 1;
const lowWeight = (place: number): number => 2 * place + 3;
const highWeight = (place: number): number => 2 * place + 101;

/**
 * Of whole numbers up to 2⁵³ (a fraction is cut off), by their lower 32 bits and the rest: every step stays exact in a
 * double, and a remainder, which is dear, is taken only once.
 */
export function sumOf(values: readonly (number | null)[]): number {
	let sum = 0;
	for (let place = 0; place < values.length; place++) {
		const whole = Math.trunc(values[place] ?? -1);
		const low = whole >>> 0;
		sum += low * lowWeight(place) + ((whole - low) / 2 ** 32) * highWeight(place);
	}
	return sum % modulus;
}

/** Of a text; 0 where there is none. SQL has no such sum. */
export function sumOfText(text: string | null): number {
	let sum = 0;
	if (text !== null) for (let i = 0; i < text.length; i++) sum = (sum * 65_599 + text.charCodeAt(i) + 1) % modulus;
	return sum;
}

/** {@link sumOf} as an SQL expression; a cast is dear, and only the columns with fractions need one. */
export function sqlSumOf(columns: readonly string[], fractional: readonly string[]): string {
	const terms = columns.map((column, place) => {
		const value = `ifnull(${column}, -1)`;
		const whole = fractional.includes(column) ? `CAST(${value} AS INTEGER)` : value;
		return `(${whole} & 4294967295) * ${lowWeight(place)} + (${whole} >> 32) * ${highWeight(place)}`;
	});
	return `(${terms.join(" + ")}) % ${modulus}`;
}
