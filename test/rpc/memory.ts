// The memory carrier: calls within one process, through the same serialization, interceptors and limits as on a wire.
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createDispatch, type Dispatch, type Routes, transportOver } from "../../src/rpc/carrier.ts";

/** `interceptors` are the server's. Nothing is open between calls, so there is nothing to close. */
export function connectMemory(routes: Routes, interceptors: readonly Interceptor[] = []): Transport {
	return transportOver(memoryClient(createDispatch({ routes, interceptors })), "http://memory");
}

/** Unlike connect's own client in memory it ends a handler whose caller has gone while it was not waiting for anything. */
function memoryClient(dispatch: Dispatch): UniversalClientFn {
	return async ({ url, method, header, body = nothing(), signal = new AbortController().signal }) => {
		const path = new URL(url).pathname;
		const handler = dispatch(path);
		if (!handler) throw new ConnectError(`${path} is not served`, Code.Unimplemented);
		const answered = handler({ httpVersion: "2.0", url, method, header, body, signal });
		const responses = answered.then((answer) => (answer.body ?? nothing())[Symbol.asyncIterator]());
		const leave = () => void responses.then((it) => it.return?.()).then(undefined, () => {});
		let cut: (reason: unknown) => void = () => {};
		signal.addEventListener(
			"abort",
			() => {
				cut(signal.reason);
				leave();
			},
			{ once: true },
		);
		/** The promise, or the end of the call, whichever comes first. */
		function here<T>(promise: Promise<T>): Promise<T> {
			if (signal.aborted) return Promise.reject(signal.reason);
			return new Promise((resolve, reject) => {
				cut = reject;
				promise.then(resolve, reject);
			});
		}
		const answer = await here(answered);
		const it = await responses;
		return {
			status: answer.status,
			header: new Headers(answer.header),
			trailer: new Headers(answer.trailer),
			body: {
				[Symbol.asyncIterator]: () => ({
					next: () => here(it.next()),
					return: () => it.return?.() ?? Promise.resolve({ done: true, value: undefined }),
					throw: (error) => it.throw?.(error) ?? Promise.reject(error),
				}),
			},
		};
	};
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
