// The calls of a batch client, each from its start to its end: by its answer, an error, its deadline or its caller.
import { create, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ChurnSet } from "../churn.ts";
import type { Clock } from "../clock.ts";
import type { BatchMethod } from "./batch-method.ts";
import { createDeadlineWheel, type Timed } from "./deadline-wheel.ts";

/** Only this file looks at more of it than its item. */
export interface Call<Item, Outcome> extends Timed {
	readonly item: Item;
	readonly resolve: (outcome: Outcome) => void;
	readonly reject: (error: ConnectError) => void;
	readonly signal: AbortSignal | undefined;
	onAbort: (() => void) | undefined;
	state: "waiting" | "sent" | "settled";
	everSent: boolean;
	/** Was in flight when the server refused a batch: sent alone from then on, to find the one at fault. */
	suspect: boolean;
}

export interface Calls<Item, Outcome> {
	/** To be sent, for the first time or again. */
	readonly waiting: number;
	/** Waiting or sent. */
	readonly unsettled: number;
	/** Since the start. */
	readonly batchesSent: number;
	readonly itemsRepeated: number;
	add(item: Item, deadlineMs: number, signal: AbortSignal | undefined): Promise<Outcome>;
	/** The next batch: those that wait longest. While there are suspects: one of them, and none unless the stream is `idle`. */
	take(most: number, idle: boolean): Call<Item, Outcome>[] | undefined;
	/** Ignored where the call is settled already. */
	answer(call: Call<Item, Outcome>, outcome: Outcome): void;
	/** What a stream that ended by `error` has left, oldest first: waits again, before what came later, unless it is at fault. */
	putBack(left: readonly Call<Item, Outcome>[], error: ConnectError): void;
	/** Resolves once all are settled, after `graceMs` at the latest. */
	drain(graceMs: number): Promise<void>;
	/** Rejects what waits; to be called once nothing is sent any more. */
	close(error: ConnectError): void;
}

/** `late` gives the error of a call whose deadline has passed. */
export function createCalls<Item, Outcome, I extends DescMessage, O extends DescMessage>(
	batches: BatchMethod<Item, Outcome, I, O>,
	clock: Clock,
	tickMs: number,
	late: (everSent: boolean) => ConnectError,
): Calls<Item, Outcome> {
	const wheel = createDeadlineWheel<Call<Item, Outcome>>(clock, tickMs, expire);
	const waiting = new ChurnSet<Call<Item, Outcome>>();
	let unsettled = 0;
	let suspects = 0;
	let batchesSent = 0;
	let itemsRepeated = 0;
	let drained = () => {};

	function add(item: Item, deadlineMs: number, signal: AbortSignal | undefined): Promise<Outcome> {
		return new Promise((resolve, reject) => {
			const call: Call<Item, Outcome> = {
				dueTick: 0,
				before: undefined,
				after: undefined,
				item,
				resolve,
				reject,
				signal,
				onAbort: undefined,
				state: "waiting",
				everSent: false,
				suspect: false,
			};
			if (signal) {
				// By its name: churn.ts tells why.
				const onAbort = (): void => fail(call, new ConnectError("the call was canceled", Code.Canceled));
				call.onAbort = onAbort;
				signal.addEventListener("abort", onAbort, { once: true });
			}
			unsettled++;
			waiting.add(call);
			wheel.add(call, deadlineMs);
		});
	}

	function take(most: number, idle: boolean): Call<Item, Outcome>[] | undefined {
		if (waiting.size === 0 || (suspects > 0 && !idle)) return undefined;
		const takeMax = suspects > 0 ? 1 : most;
		const taken: Call<Item, Outcome>[] = [];
		for (const call of waiting) {
			waiting.delete(call);
			call.state = "sent";
			if (call.everSent) itemsRepeated++;
			call.everSent = true;
			if (taken.push(call) >= takeMax) break;
		}
		batchesSent++;
		return taken;
	}

	function putBack(left: readonly Call<Item, Outcome>[], error: ConnectError): void {
		let unanswered = left.filter((call) => call.state === "sent");
		if (error.code === Code.InvalidArgument && error.isWireError) {
			if (unanswered.length === 1) fail(unanswered.pop()!, error);
			for (const call of unanswered) {
				if (!call.suspect) suspects++;
				call.suspect = true;
			}
		}
		if (error.code === Code.Internal) {
			for (const call of unanswered) {
				const fault = encodingError(call.item);
				if (fault) fail(call, fault);
			}
			unanswered = unanswered.filter((call) => call.state === "sent");
		}
		for (const call of unanswered) call.state = "waiting";
		if (unanswered.length > 0) {
			const later = [...waiting];
			waiting.clear();
			for (const call of [...unanswered, ...later]) waiting.add(call);
		}
	}

	/** Such an item breaks every batch that it is in. Dear: asked only where a stream has broken by INTERNAL. */
	function encodingError(item: Item): ConnectError | undefined {
		const { input } = batches.method;
		try {
			toBinary(input, create(input, batches.request(1, [item])));
			return undefined;
		} catch (cause) {
			const text = "the item cannot be encoded; nothing was sent";
			return new ConnectError(text, Code.InvalidArgument, undefined, undefined, cause);
		}
	}

	function answer(call: Call<Item, Outcome>, outcome: Outcome): void {
		if (call.state === "settled") return;
		settle(call);
		call.resolve(outcome);
	}

	function expire(call: Call<Item, Outcome>): void {
		fail(call, late(call.everSent));
	}

	function fail(call: Call<Item, Outcome>, error: ConnectError): void {
		settle(call);
		call.reject(error);
	}

	/** It stays in its batch, if it is in one, as that is still under way. */
	function settle(call: Call<Item, Outcome>): void {
		if (call.state === "waiting") waiting.delete(call);
		call.state = "settled";
		wheel.remove(call);
		if (call.onAbort) call.signal!.removeEventListener("abort", call.onAbort);
		if (call.suspect) suspects--;
		if (--unsettled === 0) drained();
	}

	function drain(graceMs: number): Promise<void> {
		if (unsettled === 0) return Promise.resolve();
		return new Promise((resolve) => {
			const cancel = clock.after(graceMs, resolve);
			drained = () => {
				cancel();
				resolve();
			};
		});
	}

	function close(error: ConnectError): void {
		for (const call of [...waiting]) fail(call, error);
		wheel.stop();
	}

	return {
		get waiting() {
			return waiting.size;
		},
		get unsettled() {
			return unsettled;
		},
		get batchesSent() {
			return batchesSent;
		},
		get itemsRepeated() {
			return itemsRepeated;
		},
		add,
		take,
		answer,
		putBack,
		drain,
		close,
	};
}
