// QueueService: payments in, jobs out, and what becomes of them.
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { RetryAfterSchema } from "../gen/payrelay/v1/payment_pb.ts";
import {
	type DequeueBatchResponse,
	EnqueueOutcome,
	type EnqueueRequest,
	type HeldLease,
	type PinRequest,
	type PinResponse,
	type QueueService,
	type ReleaseOutcome,
	type ReleaseRequest,
} from "../gen/payrelay/v1/queue_service_pb.ts";
import { processors } from "../payment/payment.ts";
import { enqueueBatches, pinBatches, releaseBatches } from "../rpc/batch-methods.ts";
import { serveBatches } from "../rpc/batch-server.ts";
import { enqueueWords, releaseWords } from "../rpc/words.ts";
import type { Absentees } from "./absentees.ts";
import { jobToProto, leaseKey, lostTokens, newPayment, pinRequest, pinResponse, release } from "./convert.ts";
import type { Delivery, Dispatcher } from "./dispatch.ts";
import type { Job, Store } from "./store/store.ts";

export interface QueueOptions {
	readonly store: Store;
	readonly dispatcher: Dispatcher;
	readonly absentees: Absentees;
	readonly leaseMs: number;
	readonly inFlightMax: number;
	/** Aborts, with the error for its callers, when the service ends. */
	readonly closing: AbortSignal;
}

/** What a full queue asks of its callers: it drains by hundreds a second at least. */
const fullRetryMs = 1000;

export function createQueueService(options: QueueOptions): ServiceImpl<typeof QueueService> {
	const { store, dispatcher, absentees, leaseMs, inFlightMax, closing } = options;

	async function enqueue(requests: readonly EnqueueRequest[]): Promise<EnqueueOutcome[]> {
		const outcomes = await store.enqueue(requests.map(newPayment));
		return outcomes.map((outcome) => enqueueWords.code[outcome]);
	}

	async function pin(requests: readonly PinRequest[]): Promise<PinResponse[]> {
		return (await store.pin(requests.map(pinRequest))).map(pinResponse);
	}

	async function giveBack(requests: readonly ReleaseRequest[]): Promise<ReleaseOutcome[]> {
		return (await store.release(requests.map(release))).map((outcome) => releaseWords.code[outcome]);
	}

	/** Only the first message of a stream tells what was lost, and how leases and slots are bounded. */
	function delivery(given: Delivery, held: readonly HeldLease[]): DequeueBatchResponse {
		const { backlog } = given;
		const $typeName = "payrelay.v1.DequeueBatchResponse";
		if ("jobs" in given)
			return { $typeName, jobs: given.jobs.map(jobToProto), lost: [], leaseMs: 0, inFlightMax: 0, backlog };
		const tokens = held.map(({ token }) => token);
		return { $typeName, jobs: [], lost: lostTokens(tokens, given.lost), leaseMs, inFlightMax, backlog };
	}

	return {
		async enqueue(request) {
			const [outcome] = await enqueue([request]);
			if (outcome === EnqueueOutcome.CONFLICT)
				throw new ConnectError("the id is taken by a payment with another amount", Code.AlreadyExists);
			if (outcome === EnqueueOutcome.FULL) throw queueFull();
			return { outcome: outcome! };
		},

		enqueueStream: serveBatches(enqueueBatches, enqueue, closing),

		async dequeue({ sessionId }) {
			// Pursuits first: they have paused already, and there are few of them.
			let job: Job | undefined;
			for (const lane of [...processors, "fresh"] as const) job ??= (await store.lease(sessionId, lane, 1))[0];
			return { leaseMs, ...(job && { job: jobToProto(job) }) };
		},

		async *dequeueBatch({ sessionId, credit, pursuitCredit, retryCredit, held }, { signal }) {
			const request = {
				session: sessionId,
				credit: { fresh: credit, pursuit: pursuitCredit },
				retriesMax: retryCredit || credit,
				held: held.map(leaseKey),
			};
			const deliveries = dispatcher.connect(request, signal);
			absentees.seen(sessionId);
			try {
				for await (const given of deliveries) yield delivery(given, held);
			} finally {
				if (!dispatcher.isConnected(sessionId)) absentees.left(sessionId);
			}
		},

		async renew({ sessionId, tokens }) {
			absentees.seen(sessionId);
			const lost = await store.renew(sessionId, tokens.map(Number));
			return { lost: lostTokens(tokens, lost) };
		},

		async pin(request) {
			return (await pin([request]))[0]!;
		},

		pinStream: serveBatches(pinBatches, pin, closing),

		async release(request) {
			return { outcome: (await giveBack([request]))[0]! };
		},

		releaseStream: serveBatches(releaseBatches, giveBack, closing),
	};
}

function queueFull(): ConnectError {
	const detail = { desc: RetryAfterSchema, value: { retryMs: fullRetryMs } };
	return new ConnectError("the queue is full", Code.ResourceExhausted, undefined, [detail]);
}
