// A store that fails, or closes, is not asked again: every call is answered UNAVAILABLE at once, and nothing is promised.
import { Code, ConnectError } from "@connectrpc/connect";
import { type Store, StoreFailed } from "./store/store.ts";

export interface FailStop {
	/** The store, with UNAVAILABLE where it has failed or is closing. */
	readonly store: Store;
	/** From now on every call is refused; the ones under way still get their answers. */
	refuse(message: string): void;
}

/** `onFailed` is called once, with the store's own error, before the first caller is told. */
export function failStop(store: Store, onFailed: (cause: StoreFailed) => void): FailStop {
	let refusal: string | undefined;
	const unavailable = (message: string) => new ConnectError(message, Code.Unavailable);

	function translate(cause: unknown): unknown {
		if (!(cause instanceof StoreFailed)) return cause;
		if (refusal === undefined) {
			refusal = "the store has failed; nothing is promised";
			onFailed(cause);
		}
		return unavailable(refusal);
	}

	function guard<A extends unknown[], R>(method: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
		return async (...args) => {
			if (refusal !== undefined) throw unavailable(refusal);
			try {
				return await method(...args);
			} catch (cause) {
				throw translate(cause);
			}
		};
	}

	return {
		refuse(message) {
			refusal ??= message;
		},
		store: {
			enqueue: guard(store.enqueue),
			lease: guard(store.lease),
			renew: guard(store.renew),
			reclaim: guard(store.reclaim),
			pin: guard(store.pin),
			release: guard(store.release),
			settle: guard(store.settle),
			expire: guard(store.expire),
			summary: guard(store.summary),
			payment: guard(store.payment),
			parked: guard(store.parked),
			resolve: guard(store.resolve),
			purge: guard(store.purge),
			claimPoll: guard(store.claimPoll),
			saveHealth: guard(store.saveHealth),
			health: guard(store.health),
			figures: guard(store.figures),
			endSession: guard(store.endSession),
			storeId: store.storeId,
			boot: store.boot,
			readOutbox: guard(store.readOutbox),
			forgetOutbox: guard(store.forgetOutbox),
			watchOutbox: store.watchOutbox,
			subscribe: store.subscribe,
			waiting: store.waiting,
			nextDueMs: (processor) => (refusal === undefined ? store.nextDueMs(processor) : undefined),
			close: store.close,
		},
	};
}
