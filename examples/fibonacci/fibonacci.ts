// The Fibonacci numbers as the tutorial's messages carry them: decimal text in, decimal text out.

/** F(10000) has 2,090 digits and takes about a millisecond; Python reads no number of more than 4,300 digits. */
export const nMax = 10_000;
/** A request is a few digits, with whatever blanks and zeros around them. */
const bodyMaxBytes = 64;

/** What a request asks for cannot be had; the message is for whoever asked. */
export class BadRequest extends Error {
	override readonly name = "BadRequest";
}

/** Reads a request's body as Python's `int()` would, within bounds. */
export function readNumber(body: Uint8Array): number {
	if (body.byteLength > bodyMaxBytes) throw new BadRequest(`a request of ${body.byteLength} bytes is no number`);
	const text = new TextDecoder().decode(body).trim();
	if (!/^[+-]?\d+$/.test(text)) throw new BadRequest(`${JSON.stringify(text)} is not a whole number`);
	const n = Number(text);
	if (n < 0 || n > nMax) throw new BadRequest(`${text} is not between 0 and ${nMax}`);
	return n;
}

/** In `n` additions, not in F(n) calls. */
export function fibonacci(n: number): bigint {
	let [a, b] = [0n, 1n];
	for (let i = 0; i < n; i++) [a, b] = [b, a + b];
	return a;
}
