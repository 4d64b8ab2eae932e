// Reads texts in the Huffman code of HTTP/2's header fields (RFC 7541, section 5.2 and Appendix B). We never write any.

/** How many bits the code of each byte has, in base 36. The code is canonical: the lengths tell the codes. */
const lengths =
	"dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca" +
	"d67777777777777777777777878djde6f56565666577666567655677777fbeds" +
	"kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmnlmnnkmmmnmmn" +
	"qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq";
const longest = 30;
/** A text ends with fewer bits than a byte has, all of them ones: the start of a code that stands for no byte. */
const paddingMax = 7;

/** By length: the bytes with such a code in the order of their codes, and the first of these. */
const byLength: { readonly first: number; readonly bytes: readonly number[] }[] = [];
for (let length = 0, code = 0; length <= longest; length++) {
	const bytes = [...lengths].flatMap((digit, byte) => (Number.parseInt(digit, 36) === length ? [byte] : []));
	byLength.push({ first: code, bytes });
	code = (code + bytes.length) * 2;
}

/** `undefined` for what is not whole and right to the last bit. */
export function decodeHuffman(coded: Uint8Array): string | undefined {
	const bytes: number[] = [];
	let code = 0;
	let length = 0;
	for (const byte of coded)
		for (let bit = 7; bit >= 0; bit--) {
			code = code * 2 + ((byte >>> bit) & 1);
			if (++length > longest) return undefined;
			const { first, bytes: ofLength } = byLength[length]!;
			const found = ofLength[code - first];
			if (found === undefined) continue;
			bytes.push(found);
			code = 0;
			length = 0;
		}
	const padded = length <= paddingMax && code === 2 ** length - 1;
	return padded ? Buffer.from(bytes).toString("latin1") : undefined;
}
