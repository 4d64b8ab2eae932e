// POST /payments in its plain form: what nearly every client and load balancer sends.
//
// Only what cannot be read in two ways is taken for plain. All else, good or bad, is for the full parser to judge.
import { paymentBodyMaxBytes } from "./payment-request.ts";

/** The request goes on; nothing in it is odd so far. */
export const incomplete = Symbol("incomplete");
/** Not a plain one, or not only one. */
export const other = Symbol("other");

const requestLine = "POST /payments HTTP/1.1\r\n";
/** RFC 9112, 5: a name is a token, right before its colon; a value has no control character but the tab. */
const fields = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~]*\r\n)+$/;
/** A name or an IPv4 address, perhaps with a port: no URL has to be made of it to know that one could. */
const plainHost = /^[a-z0-9._-]+(?::(?:[1-5]\d{3,4}|[6-9]\d{3}))?$/;
/** Far below what node:http takes. */
const fieldsMax = 100;
const length = /^\d{1,4}$/;
const json = /^application\/json(?:; ?charset=utf-8)?$/i;

/** Heads of plain requests, to the last character: a client or a load balancer says the same again and again. */
export interface KnownHeads {
	/** The body of a plain request that begins with one of them; `undefined` for any other text. */
	bodyOf(text: string): string | undefined;
	/** A head that was found plain, and how long its request is. It is known when it comes for the second time. */
	learn(head: string, length: number): void;
}

/**
 * Heads differ in the length of the body, which is that of an id and of an amount with few or many digits. Those that are
 * never the same twice, as with the number of a trace, are not kept: looking at them costs as much as parsing.
 */
const headsMax = 16;

export function createKnownHeads(): KnownHeads {
	const known: { head: string; length: number }[] = [];
	let oldest = 0;
	let newest = "";
	return {
		bodyOf(text) {
			for (const { head, length } of known)
				if (text.length === length && text.startsWith(head)) return text.slice(head.length);
			return undefined;
		},
		learn(head, length) {
			if (head !== newest) {
				newest = head;
				return;
			}
			known[oldest] = { head, length };
			oldest = (oldest + 1) % headsMax;
		},
	};
}

/**
 * The body of the one request that the text is, which came with the type and the length that a payment's has. The text
 * is ASCII, as the rest of it could mean one thing in the header and another in the body.
 */
export function readPlainPost(
	text: string,
	headerMaxBytes: number,
	heads?: KnownHeads,
): string | typeof incomplete | typeof other {
	if (!text.startsWith(requestLine)) return requestLine.startsWith(text) ? incomplete : other;
	const headEnd = text.indexOf("\r\n\r\n", requestLine.length - 2);
	if (headEnd < 0) return text.length < headerMaxBytes ? incomplete : other;
	const head = text.slice(requestLine.length, headEnd + 2);
	if (headEnd >= headerMaxBytes || !fields.test(head)) return other;
	const declared = plainLength(head);
	const bodyStart = headEnd + 4;
	if (declared === undefined || text.length > bodyStart + declared) return other;
	if (text.length < bodyStart + declared) return incomplete;
	heads?.learn(text.slice(0, bodyStart), text.length);
	return text.slice(bodyStart);
}

/** The length that the header declares; `undefined` where it is missing, too large, or where anything is odd. */
function plainLength(head: string): number | undefined {
	let hosts = 0;
	let types = 0;
	let lengths = 0;
	let declared = 0;
	let count = 0;
	for (let at = 0; at < head.length; ) {
		if (++count > fieldsMax) return undefined;
		const colon = head.indexOf(":", at);
		const end = head.indexOf("\r\n", colon);
		const value = head.slice(colon + 1, end).trim();
		switch (head.slice(at, colon).toLowerCase()) {
			case "host":
				if (!plainHost.test(value)) return undefined;
				hosts++;
				break;
			case "content-type":
				if (!json.test(value)) return undefined;
				types++;
				break;
			case "content-length":
				if (!length.test(value)) return undefined;
				declared = Number(value);
				lengths++;
				break;
			case "connection":
				if (value.toLowerCase() !== "keep-alive") return undefined;
				break;
			case "content-encoding":
			case "expect":
			case "proxy-connection":
			case "transfer-encoding":
			case "upgrade":
				return undefined;
		}
		at = end + 2;
	}
	return hosts === 1 && types === 1 && lengths === 1 && declared <= paymentBodyMaxBytes ? declared : undefined;
}
