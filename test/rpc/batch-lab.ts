// A server of one stream of batches whose handling a test controls, behind a transport that can be cut.
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import {
	EnqueueOutcome,
	type EnqueueRequest,
	EnqueueRequestSchema,
	QueueService,
} from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import { type BatchBounds, createBatchClient } from "../../src/rpc/batch-client.ts";
import { enqueueBatches } from "../../src/rpc/batch-methods.ts";
import { type HandleBatch, serveBatches } from "../../src/rpc/batch-server.ts";
import type { Routes } from "../../src/rpc/carrier.ts";
import { createFakeClock } from "../fake-clock.ts";
import { connectMemory } from "./memory.ts";

export type Handle = HandleBatch<EnqueueRequest, EnqueueOutcome>;

export function payment(n: number): EnqueueRequest {
	const id = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
	return create(EnqueueRequestSchema, { id, amountCents: BigInt(n) });
}

export function batchRoutes(handle: Handle, closing?: AbortSignal): Routes {
	return (router) => {
		router.service(QueueService, { enqueueStream: serveBatches(enqueueBatches, handle, closing) });
	};
}

export const acceptAll: Handle = async (items) => items.map(() => EnqueueOutcome.ACCEPTED);

/** Batches that wait to be answered by the test, oldest first. */
export function createHeld() {
	const batches: { amounts: number[]; answer(outcome?: EnqueueOutcome): void; fail(error: unknown): void }[] = [];
	const handle: Handle = (items) =>
		new Promise((resolve, reject) => {
			batches.push({
				amounts: items.map(({ amountCents }) => Number(amountCents)),
				answer: (outcome = EnqueueOutcome.ACCEPTED) => resolve(items.map(() => outcome)),
				fail: reject,
			});
		});
	return { batches, handle };
}

export function createBatchLab(handle: Handle, bounds: Partial<BatchBounds> = {}) {
	const clock = createFakeClock();
	const served = connectMemory(batchRoutes(handle));
	const breaks: ConnectError[] = [];
	const awayMs: number[] = [];
	let away = false;
	const cuts = new Set<AbortController>();
	let opened = 0;
	const transport: Transport = {
		unary: served.unary.bind(served),
		async stream(method, signal, timeoutMs, header, input, contextValues) {
			opened++;
			if (away) throw new ConnectError("connection refused", Code.Unavailable);
			const cut = new AbortController();
			cuts.add(cut);
			const either = AbortSignal.any([cut.signal, ...(signal ? [signal] : [])]);
			return served.stream(method, either, timeoutMs, header, input, contextValues);
		},
	};
	const client = createBatchClient({
		transport,
		batches: enqueueBatches,
		clock,
		random: () => 0.999,
		bounds: { failFastMs: 1e9, stallMs: 1e9, steadyMs: 1e9, ...bounds },
		onBreak: (error) => breaks.push(error),
		onBack: (ms) => awayMs.push(ms),
	});
	return {
		clock,
		client,
		breaks,
		awayMs,
		opened: () => opened,
		/** Breaks the stream; while `stayAway`, opening it again is refused. */
		cut(stayAway = false) {
			away = stayAway;
			for (const one of cuts) one.abort(new ConnectError("connection reset", Code.Unavailable));
			cuts.clear();
		},
		back() {
			away = false;
		},
	};
}
