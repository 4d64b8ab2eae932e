// Between the contract's messages and the store's own words: enums, 64-bit integers, moments.
//
// Requests come here validated. Messages of the hot paths are written as plain objects that carry their type's name,
// which the protobuf runtime takes as they are instead of copying them field by field.
import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import type * as pb from "../gen/payrelay/v1/payment_pb.ts";
import type * as queue from "../gen/payrelay/v1/queue_service_pb.ts";
import type * as stats from "../gen/payrelay/v1/stats_service_pb.ts";
import { instantMaxUs } from "../payment/instant.ts";
import type { Attempt, Charge, Pin, Resolution } from "../payment/life.ts";
import type { PinOutcome } from "../payment/outcome.ts";
import { processors } from "../payment/payment.ts";
import {
	attemptResultWords,
	attemptStateWords,
	decisionWords,
	paymentStateWords,
	pinWords,
	processorWords,
} from "../rpc/words.ts";
import type { BrokerView } from "./broker-view.ts";
import type * as store from "./store/store.ts";

const uint32Max = 2 ** 32 - 1;

/** A UUID in the one form that the relay uses; services fold it, as the processors' own key ignores case. */
export const foldId = (id: string): string => id.toLowerCase();

export const newPayment = (request: queue.EnqueueRequest): store.NewPayment => ({
	id: foldId(request.id),
	amountCents: request.amountCents,
});

/** A token or epoch of the relay's own is below 2⁵³; a larger one is rounded to one that no lease ever had. */
export const leaseKey = (held: { readonly id: string; readonly token: bigint }): store.LeaseKey => ({
	id: foldId(held.id),
	token: Number(held.token),
});

/** Those that are lost as their session named them: what was rounded may be beyond 64 bits. */
export function lostTokens(named: readonly bigint[], lost: readonly number[]): bigint[] {
	const rounded = new Set(lost);
	return named.filter((token) => rounded.has(Number(token)));
}

export const pinRequest = (request: queue.PinRequest): store.PinRequest => ({
	id: foldId(request.id),
	token: Number(request.token),
	epoch: Number(request.epoch),
	processor: processorWords.known(request.processor),
});

export const pinResponse = (result: PinOutcome): queue.PinResponse => ({
	$typeName: "payrelay.v1.PinResponse",
	outcome: pinWords.code[result.outcome],
	requestedAtUs: result.outcome === "pinned" ? BigInt(result.requestedAtUs) : 0n,
});

/** What is not named counts as unknown: the careful side. */
export const release = (request: queue.ReleaseRequest): store.Release => ({
	id: foldId(request.id),
	token: Number(request.token),
	epoch: Number(request.epoch),
	result: attemptResultWords.word(request.result) ?? "unknown",
});

export const settlement = (request: stats.Settlement): store.Settlement => ({
	id: foldId(request.id),
	epoch: Number(request.epoch),
	charge: chargeFromProto(request.charge!),
});

export const chargeFromProto = (charge: pb.Charge): Charge => ({
	processor: processorWords.known(charge.processor),
	amountCents: charge.amountCents,
	requestedAtUs: Math.min(Number(charge.requestedAtUs), instantMaxUs),
});

const chargeToProto = (charge: Charge): pb.Charge => ({
	$typeName: "payrelay.v1.Charge",
	processor: processorWords.code[charge.processor],
	amountCents: charge.amountCents,
	requestedAtUs: BigInt(charge.requestedAtUs),
});

const pinToProto = (pin: Pin): pb.Pin => ({
	$typeName: "payrelay.v1.Pin",
	processor: processorWords.code[pin.processor],
	requestedAtUs: BigInt(pin.requestedAtUs),
});

export const jobToProto = (job: store.Job): queue.Job => ({
	$typeName: "payrelay.v1.Job",
	id: job.id,
	amountCents: job.amountCents,
	token: BigInt(job.token),
	epoch: BigInt(job.epoch),
	attempts: job.attempts,
	waitedMs: Math.min(Math.floor(job.waitedMs), uint32Max),
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
		state: paymentStateWords.code[payment.state],
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
	processor: processorWords.code[attempt.processor],
	requestedAt: timestampFromUs(attempt.requestedAtUs),
	state: attemptStateWords.code[attempt.state],
});

const resolutionToProto = (resolution: Resolution): stats.Resolution => ({
	$typeName: "payrelay.v1.Resolution",
	decision: decisionWords.code[resolution.decision],
	who: resolution.who,
	why: resolution.why,
	at: timestampFromUs(resolution.atUs),
});

export const healthToProto = (health: store.Health): stats.ProcessorHealth => ({
	$typeName: "payrelay.v1.ProcessorHealth",
	processor: processorWords.code[health.processor],
	reachable: health.reachable,
	failing: health.failing,
	minResponseMs: health.minResponseMs,
	atUs: BigInt(health.atUs),
});

export const healthFromProto = (health: stats.ProcessorHealth): store.Health => ({
	processor: processorWords.known(health.processor),
	reachable: health.reachable,
	failing: health.failing,
	minResponseMs: health.minResponseMs,
	atUs: Math.min(Number(health.atUs), instantMaxUs),
});

export function brokerToProto({ queues, counters }: BrokerView): stats.BrokerFigures {
	const counts = (named: Readonly<Record<string, number>>) =>
		Object.fromEntries(Object.entries(named).map(([name, count]) => [name, BigInt(count)]));
	return { $typeName: "payrelay.v1.BrokerFigures", queues: counts(queues), counters: counts(counters) };
}

/** What is in `own` is the service's; the rest is the store's. */
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
				processor: processorWords.code[processor],
				inFlight: figures.inFlight[processor],
				inFlightMax: own.inFlightMax,
				...(answer && { health: healthToProto(answer) }),
			};
		}),
	};
}
