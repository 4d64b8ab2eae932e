// Between the contract's messages and the store's own words: enums, 64-bit integers, moments.
//
// Requests come here validated. Messages of the hot paths are written as plain objects that carry their type's name,
// which the protobuf runtime takes as they are instead of copying them field by field.
import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import * as pb from "../gen/payrelay/v1/payment_pb.ts";
import * as queue from "../gen/payrelay/v1/queue_service_pb.ts";
import * as stats from "../gen/payrelay/v1/stats_service_pb.ts";
import { instantMaxUs } from "../payment/instant.ts";
import type { Attempt, AttemptResult, Charge, Pin, Resolution } from "../payment/life.ts";
import { type Processor, processors } from "../payment/payment.ts";
import type { BrokerView } from "./broker-view.ts";
import type * as store from "./store/store.ts";

/** A UUID in the one form that the relay uses; services fold it, as the processors' own key ignores case. */
export const foldId = (id: string): string => id.toLowerCase();

export const processorToProto: Readonly<Record<Processor, pb.Processor>> = {
	default: pb.Processor.DEFAULT,
	fallback: pb.Processor.FALLBACK,
};

export const processorFromProto = (processor: pb.Processor): Processor =>
	processor === pb.Processor.FALLBACK ? "fallback" : "default";

export const enqueueOutcome: Readonly<Record<store.EnqueueOutcome, queue.EnqueueOutcome>> = {
	accepted: queue.EnqueueOutcome.ACCEPTED,
	repeated: queue.EnqueueOutcome.REPEATED,
	conflict: queue.EnqueueOutcome.CONFLICT,
	full: queue.EnqueueOutcome.FULL,
};

const pinOutcome: Readonly<Record<store.PinOutcome["outcome"], queue.PinOutcome>> = {
	pinned: queue.PinOutcome.PINNED,
	fenced: queue.PinOutcome.FENCED,
	pinned_elsewhere: queue.PinOutcome.PINNED_ELSEWHERE,
	no_slot: queue.PinOutcome.NO_SLOT,
	purging: queue.PinOutcome.PURGING,
};

export const releaseOutcome: Readonly<Record<store.ReleaseOutcome, queue.ReleaseOutcome>> = {
	released: queue.ReleaseOutcome.RELEASED,
	fenced: queue.ReleaseOutcome.FENCED,
};

export const settleOutcome: Readonly<Record<store.SettleOutcome, stats.SettleOutcome>> = {
	settled: stats.SettleOutcome.SETTLED,
	repeated: stats.SettleOutcome.REPEATED,
	stale: stats.SettleOutcome.STALE,
	refused: stats.SettleOutcome.REFUSED,
};

const attemptResults: readonly AttemptResult[] = ["unknown", "none", "not_charged", "unknown", "unasked"];

const paymentState: Readonly<Record<store.PaymentView["state"], pb.PaymentState>> = {
	accepted: pb.PaymentState.ACCEPTED,
	in_flight: pb.PaymentState.IN_FLIGHT,
	in_doubt: pb.PaymentState.IN_DOUBT,
	parked: pb.PaymentState.PARKED,
	settled: pb.PaymentState.SETTLED,
	given_up: pb.PaymentState.GIVEN_UP,
};

const attemptState: Readonly<Record<Attempt["state"], stats.AttemptState>> = {
	open: stats.AttemptState.OPEN,
	not_charged: stats.AttemptState.NOT_CHARGED,
	unknown: stats.AttemptState.UNKNOWN,
	charged: stats.AttemptState.CHARGED,
};

const decisionToProto: Readonly<Record<Resolution["decision"], stats.Decision>> = {
	settle: stats.Decision.SETTLE,
	retry: stats.Decision.RETRY,
	give_up: stats.Decision.GIVE_UP,
};

export function decisionFromProto(decision: stats.Decision): Resolution["decision"] {
	if (decision === stats.Decision.SETTLE) return "settle";
	return decision === stats.Decision.RETRY ? "retry" : "give_up";
}

export const newPayment = (request: queue.EnqueueRequest): store.NewPayment => ({
	id: foldId(request.id),
	amountCents: request.amountCents,
});

/** A token or epoch of the relay's own is below 2⁵³; a larger one is rounded to one that no lease ever had. */
export const leaseKey = (held: { readonly id: string; readonly token: bigint }): store.LeaseKey => ({
	id: foldId(held.id),
	token: Number(held.token),
});

export const pinRequest = (request: queue.PinRequest): store.PinRequest => ({
	id: foldId(request.id),
	token: Number(request.token),
	epoch: Number(request.epoch),
	processor: processorFromProto(request.processor),
});

export const pinResponse = (result: store.PinOutcome): queue.PinResponse => ({
	$typeName: "payrelay.v1.PinResponse",
	outcome: pinOutcome[result.outcome],
	requestedAtUs: result.outcome === "pinned" ? BigInt(result.requestedAtUs) : 0n,
});

/** What is not named counts as unknown: the careful side. */
export const release = (request: queue.ReleaseRequest): store.Release => ({
	id: foldId(request.id),
	token: Number(request.token),
	epoch: Number(request.epoch),
	result: attemptResults[request.result] ?? "unknown",
});

export const settlement = (request: stats.Settlement): store.Settlement => ({
	id: foldId(request.id),
	epoch: Number(request.epoch),
	charge: chargeFromProto(request.charge!),
});

export const chargeFromProto = (charge: pb.Charge): Charge => ({
	processor: processorFromProto(charge.processor),
	amountCents: charge.amountCents,
	requestedAtUs: Math.min(Number(charge.requestedAtUs), instantMaxUs),
});

const chargeToProto = (charge: Charge): pb.Charge => ({
	$typeName: "payrelay.v1.Charge",
	processor: processorToProto[charge.processor],
	amountCents: charge.amountCents,
	requestedAtUs: BigInt(charge.requestedAtUs),
});

const pinToProto = (pin: Pin): pb.Pin => ({
	$typeName: "payrelay.v1.Pin",
	processor: processorToProto[pin.processor],
	requestedAtUs: BigInt(pin.requestedAtUs),
});

export const jobToProto = (job: store.Job): queue.Job => ({
	$typeName: "payrelay.v1.Job",
	id: job.id,
	amountCents: job.amountCents,
	token: BigInt(job.token),
	epoch: BigInt(job.epoch),
	attempts: job.attempts,
	...(job.pin && { pin: pinToProto(job.pin) }),
});

export const totalsToProto = (totals: store.Totals): stats.Totals => ({
	$typeName: "payrelay.v1.Totals",
	count: totals.count,
	amountCents: totals.amountCents,
});

/** Microseconds of a Timestamp, its nanoseconds rounded the given way; folded into what the ledger can hold. */
export function timestampToUs(timestamp: Timestamp, round: "up" | "down"): number {
	const micros = timestamp.nanos / 1000;
	const us = Number(timestamp.seconds) * 1_000_000 + (round === "up" ? Math.ceil(micros) : Math.floor(micros));
	return Math.max(-1, Math.min(us, instantMaxUs));
}

export function timestampFromUs(us: number): Timestamp {
	const whole = Math.floor(us);
	const micros = ((whole % 1_000_000) + 1_000_000) % 1_000_000;
	return create(TimestampSchema, { seconds: BigInt((whole - micros) / 1_000_000), nanos: micros * 1000 });
}

export function paymentToProto(payment: store.PaymentView): stats.Payment {
	const { pin, charge, settledAtUs, resolution } = payment;
	return {
		$typeName: "payrelay.v1.Payment",
		id: payment.id,
		amountCents: payment.amountCents,
		state: paymentState[payment.state],
		acceptedAt: timestampFromUs(payment.acceptedAtUs),
		attempts: payment.attempts,
		attemptLog: payment.attemptLog.map(attemptToProto),
		flagged: payment.flagged,
		...(pin && { pin: pinToProto(pin) }),
		...(charge && { charge: chargeToProto(charge) }),
		...(settledAtUs !== undefined && { settledAt: timestampFromUs(settledAtUs) }),
		...(resolution && { resolution: resolutionToProto(resolution) }),
	};
}

const attemptToProto = (attempt: Attempt): stats.Attempt => ({
	$typeName: "payrelay.v1.Attempt",
	token: BigInt(attempt.token),
	processor: processorToProto[attempt.processor],
	requestedAt: timestampFromUs(attempt.requestedAtUs),
	state: attemptState[attempt.state],
});

const resolutionToProto = (resolution: Resolution): stats.Resolution => ({
	$typeName: "payrelay.v1.Resolution",
	decision: decisionToProto[resolution.decision],
	who: resolution.who,
	why: resolution.why,
	at: timestampFromUs(resolution.atUs),
});

export const healthToProto = (health: store.Health): stats.ProcessorHealth => ({
	$typeName: "payrelay.v1.ProcessorHealth",
	processor: processorToProto[health.processor],
	reachable: health.reachable,
	failing: health.failing,
	minResponseMs: health.minResponseMs,
	atUs: BigInt(health.atUs),
});

export const healthFromProto = (health: stats.ProcessorHealth): store.Health => ({
	processor: processorFromProto(health.processor),
	reachable: health.reachable,
	failing: health.failing,
	minResponseMs: health.minResponseMs,
	atUs: Math.min(Number(health.atUs), instantMaxUs),
});

/** `consumers` and `inFlightMax` are the service's own; the rest is the store's. */
export function brokerToProto({ queues, counters }: BrokerView): stats.BrokerFigures {
	const counts = (named: Readonly<Record<string, number>>) =>
		Object.fromEntries(Object.entries(named).map(([name, count]) => [name, BigInt(count)]));
	return { $typeName: "payrelay.v1.BrokerFigures", queues: counts(queues), counters: counts(counters) };
}

export function figuresToProto(
	figures: store.Figures,
	health: readonly store.Health[],
	own: {
		readonly consumers: number;
		readonly inFlightMax: number;
		readonly consumerFigures: stats.ConsumerFigures[];
		readonly broker?: stats.BrokerFigures | undefined;
	},
): stats.FiguresResponse {
	return {
		$typeName: "payrelay.v1.FiguresResponse",
		epoch: BigInt(figures.epoch),
		waiting: BigInt(figures.waiting),
		leased: BigInt(figures.leased),
		inDoubt: BigInt(figures.inDoubt),
		parked: BigInt(figures.parked),
		oldestWaitingMs: BigInt(Math.floor(figures.oldestWaitingMs)),
		accepted: BigInt(figures.accepted),
		settled: BigInt(figures.settled),
		flagged: BigInt(figures.flagged),
		settlesRefused: BigInt(figures.settlesRefused),
		attempts: BigInt(figures.attempts),
		retries: BigInt(figures.retries),
		commits: BigInt(figures.commits),
		consumers: own.consumers,
		consumerFigures: own.consumerFigures,
		outboxDepth: BigInt(figures.outboxDepth),
		outboxOldestMs: BigInt(Math.floor(figures.outboxOldestMs)),
		...(own.broker && { broker: own.broker }),
		processors: processors.map((processor): stats.ProcessorFigures => {
			const answer = health.find((one) => one.processor === processor);
			return {
				$typeName: "payrelay.v1.ProcessorFigures",
				processor: processorToProto[processor],
				inFlight: figures.inFlight[processor],
				inFlightMax: own.inFlightMax,
				...(answer && { health: healthToProto(answer) }),
			};
		}),
	};
}
