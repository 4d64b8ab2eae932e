// Watchers: callers whose stream stays open and who are told when there is something new, until they leave.
import { Code, ConnectError } from "@connectrpc/connect";

export interface Watcher {
	/** Resolves to true once woken, also where that was since the last call; to false once the caller has left. */
	next(): Promise<boolean>;
	wake(): void;
	/** To be called when the stream ends, however it does. */
	leave(): void;
}

export interface Watchers {
	/** A watcher that leaves when `signal` aborts. RESOURCE_EXHAUSTED where there are too many. */
	join(signal: AbortSignal): Watcher;
	/** Wakes all. */
	wake(): void;
	/** Ends all with this error, and lets nobody join any more. */
	close(error: ConnectError): void;
}

export function createWatchers(watchersMax: number): Watchers {
	const watchers = new Set<{ wake(): void }>();
	let closed: ConnectError | undefined;

	function join(signal: AbortSignal): Watcher {
		if (closed) throw closed;
		if (watchers.size >= watchersMax) throw new ConnectError(`${watchersMax} watch already`, Code.ResourceExhausted);
		let woken = false;
		let left = signal.aborted;
		let resume: (() => void) | undefined;
		const watcher: Watcher = {
			async next() {
				if (!woken && !left && !closed)
					await new Promise<void>((resolve) => {
						resume = resolve;
					});
				woken = false;
				if (closed) throw closed;
				return !left;
			},
			wake() {
				woken = true;
				resume?.();
			},
			leave() {
				left = true;
				watchers.delete(watcher);
				signal.removeEventListener("abort", watcher.leave);
				resume?.();
			},
		};
		signal.addEventListener("abort", watcher.leave, { once: true });
		watchers.add(watcher);
		return watcher;
	}

	const wake = () => {
		for (const watcher of watchers) watcher.wake();
	};
	return {
		join,
		wake,
		close(error) {
			closed = error;
			wake();
		},
	};
}
