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

export function createAnswers({ answersMax, answersMaxBytes }: AmqpRpcBounds): Answers {
	const known = new Map<string, { readonly answer: Promise<Answer>; bytes: number }>();
	let bytes = 0;

	function forget(key: string): void {
		bytes -= known.get(key)?.bytes ?? 0;
		known.delete(key);
	}

	return {
		recall: (key) => known.get(key)?.answer,
		remember(key, answer) {
			const entry = { answer, bytes: 0 };
			known.set(key, entry);
			answer.then(
				({ status, body }) => {
					if (known.get(key) !== entry) return;
					if (status !== 200) return forget(key);
					entry.bytes = body.byteLength;
					bytes += entry.bytes;
					for (const oldest of known.keys()) {
						if (known.size <= answersMax && bytes <= answersMaxBytes) break;
						forget(oldest);
					}
				},
				() => {
					if (known.get(key) === entry) known.delete(key);
				},
			);
		},
	};
}
