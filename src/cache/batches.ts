// A stream of batches, served: each request is carried out at once, and answered when it is done, in any order.
import type { ConnectError } from "@connectrpc/connect";

/** Batches of one stream that are carried out at the same time; beyond, the stream is not read. */
const batchesMax = 64;

/**
 * Answers each request with what `handle` makes of it. Ends when the requests have ended and all are answered, or when
 * `handle` fails; when `closing` aborts, with its reason, after the answers to what was read before.
 */
export async function* serveBatches<Request, Response>(
	requests: AsyncIterable<Request>,
	handle: (request: Request) => Promise<Response>,
	closing: AbortSignal,
): AsyncGenerator<Response, void> {
	const answers: Response[] = [];
	let underWay = 0;
	let ended = false;
	let failure: { readonly cause: unknown } | undefined;
	let resume = () => {};
	const wake = () => resume();
	const reader = requests[Symbol.asyncIterator]();

	function fail(cause: unknown): void {
		failure ??= { cause };
		wake();
	}

	function carryOut(request: Request): void {
		underWay++;
		handle(request)
			.then((answer) => void answers.push(answer), fail)
			.finally(() => {
				underWay--;
				wake();
			});
	}

	let reading = false;
	function read(): void {
		if (reading || ended || underWay + answers.length >= batchesMax) return;
		reading = true;
		reader.next().then((next) => {
			reading = false;
			if (next.done) ended = true;
			else if (!closing.aborted) carryOut(next.value);
			wake();
		}, fail);
	}

	closing.addEventListener("abort", wake, { once: true });
	try {
		for (;;) {
			read();
			const answer = answers.shift();
			if (answer !== undefined) yield answer;
			else if (failure) throw failure.cause;
			else if (underWay === 0 && closing.aborted) throw closing.reason as ConnectError;
			else if (underWay === 0 && ended) return;
			else
				await new Promise<void>((resolve) => {
					resume = resolve;
				});
		}
	} finally {
		closing.removeEventListener("abort", wake);
		void reader.return?.().catch(() => {});
	}
}
