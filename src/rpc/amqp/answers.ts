// Answers that were given, for requests that come again: a request that recurs has one effect.
//
// This covers a receiver that goes on living. One that dies forgets them; what must have one effect over restarts has a key
// of its own in the request, as every request about a payment has.
import type { AmqpRpcBounds } from "./bounds.ts";

export interface Answer {
	readonly status: number;
	readonly header: Headers;
	readonly trailer: Headers;
	readonly body: Uint8Array;
}

export interface Answers {
	/** The answer to this request, which may be on its way; `undefined` for one that is new. */
	recall(key: string): Promise<Answer> | undefined;
	/** Only what succeeded is kept: the caller may ask again for what did not. */
	remember(key: string, answer: Promise<Answer>): void;
}

interface Given {
	readonly answer: Promise<Answer>;
	readonly bytes: number;
}

export function createAnswers({ answersMax, answersMaxBytes }: AmqpRpcBounds): Answers {
	/** Bounded by the receiver's concurrency. */
	const underWay = new Map<string, Promise<Answer>>();
	const given = new Map<string, Given>();
	let bytes = 0;

	function keep(key: string, answer: Promise<Answer>, size: number): void {
		given.set(key, { answer, bytes: size });
		bytes += size;
		for (const [oldest, { bytes: freed }] of given) {
			if (given.size <= answersMax && bytes <= answersMaxBytes) break;
			given.delete(oldest);
			bytes -= freed;
		}
	}

	return {
		recall: (key) => underWay.get(key) ?? given.get(key)?.answer,
		remember(key, answer) {
			underWay.set(key, answer);
			answer.then(
				(result) => {
					underWay.delete(key);
					if (result.status === 200) keep(key, answer, key.length + answerBytes(result));
				},
				() => underWay.delete(key),
			);
		},
	};
}

function answerBytes({ header, trailer, body }: Answer): number {
	let bytes = body.byteLength;
	for (const headers of [header, trailer]) for (const [name, value] of headers) bytes += name.length + value.length;
	return bytes;
}
