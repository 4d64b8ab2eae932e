// Between the contract's messages and the consumer's own words.
import { create } from "@bufbuild/protobuf";
import {
	type Charge as ProtoCharge,
	type Pin as ProtoPin,
	Processor as ProtoProcessor,
} from "../gen/payrelay/v1/payment_pb.ts";
import {
	type PinRequest,
	type PinResponse,
	PinOutcome as ProtoPinOutcome,
	ReleaseOutcome as ProtoReleaseOutcome,
	AttemptResult as ProtoResult,
	type ReleaseRequest,
} from "../gen/payrelay/v1/queue_service_pb.ts";
import {
	BreakerState,
	ConsumerEndsSchema,
	type ConsumerFigures as ProtoFigures,
	Proof as ProtoProof,
	type Quantiles as ProtoQuantiles,
	SettleOutcome as ProtoSettleOutcome,
	type Settlement,
} from "../gen/payrelay/v1/stats_service_pb.ts";
import type { AttemptResult, Charge, Pin } from "../payment/life.ts";
import { type Processor, processors } from "../payment/payment.ts";
import type { BreakerState as Breaker } from "./breaker.ts";
import type { ConsumerFigures } from "./figures.ts";
import type { Job, PinOutcome, Proof, SettleOutcome } from "./ports.ts";

export const processorToProto: Record<Processor, ProtoProcessor> = {
	default: ProtoProcessor.DEFAULT,
	fallback: ProtoProcessor.FALLBACK,
};

/** Throws where the message names none: whoever sent it speaks another contract. */
export function processorFromProto(processor: ProtoProcessor): Processor {
	if (processor === ProtoProcessor.DEFAULT) return "default";
	if (processor === ProtoProcessor.FALLBACK) return "fallback";
	throw new Error(`a message names processor ${processor}, which is not known`);
}

export function pinFromProto({ processor, requestedAtUs }: ProtoPin): Pin {
	return { processor: processorFromProto(processor), requestedAtUs: Number(requestedAtUs) };
}

const resultToProto: Record<AttemptResult, ProtoResult> = {
	unasked: ProtoResult.UNASKED,
	none: ProtoResult.NONE,
	not_charged: ProtoResult.NOT_CHARGED,
	unknown: ProtoResult.UNKNOWN,
};

const proofToProto: Record<Proof, ProtoProof> = { charged: ProtoProof.CHARGED, read_back: ProtoProof.READ_BACK };

export function pinToProto({ id, token, epoch }: Job, processor: Processor): PinRequest {
	return { $typeName: "payrelay.v1.PinRequest", id, token, epoch, processor: processorToProto[processor] };
}

export function releaseToProto({ id, token, epoch }: Job, result: AttemptResult): ReleaseRequest {
	return { $typeName: "payrelay.v1.ReleaseRequest", id, token, epoch, result: resultToProto[result] };
}

export function settlementToProto(
	{ id, epoch }: Job,
	{ processor, amountCents, requestedAtUs }: Charge,
	proof: Proof,
): Settlement {
	const charge: ProtoCharge = {
		$typeName: "payrelay.v1.Charge",
		processor: processorToProto[processor],
		amountCents,
		requestedAtUs: BigInt(requestedAtUs),
	};
	return { $typeName: "payrelay.v1.Settlement", id, epoch, charge, proof: proofToProto[proof] };
}

export function pinFromResponse({ outcome, requestedAtUs }: PinResponse): PinOutcome {
	switch (outcome) {
		case ProtoPinOutcome.PINNED:
			return { outcome: "pinned", requestedAtUs: Number(requestedAtUs) };
		case ProtoPinOutcome.FENCED:
			return { outcome: "fenced" };
		case ProtoPinOutcome.PINNED_ELSEWHERE:
			return { outcome: "pinned_elsewhere" };
		case ProtoPinOutcome.NO_SLOT:
			return { outcome: "no_slot" };
		case ProtoPinOutcome.PURGING:
			return { outcome: "purging" };
		default:
			throw new Error(`the outcome ${outcome} of a pin is not known`);
	}
}

export function releaseFromProto(outcome: ProtoReleaseOutcome): "released" | "fenced" {
	if (outcome === ProtoReleaseOutcome.RELEASED) return "released";
	if (outcome === ProtoReleaseOutcome.FENCED) return "fenced";
	throw new Error(`the outcome ${outcome} of a release is not known`);
}

export function settleFromProto(outcome: ProtoSettleOutcome): SettleOutcome {
	switch (outcome) {
		case ProtoSettleOutcome.SETTLED:
			return "settled";
		case ProtoSettleOutcome.REPEATED:
			return "repeated";
		case ProtoSettleOutcome.STALE:
			return "stale";
		case ProtoSettleOutcome.REFUSED:
			return "refused";
		default:
			throw new Error(`the outcome ${outcome} of a settle is not known`);
	}
}

const breakerToProto: Record<Breaker, BreakerState> = {
	closed: BreakerState.CLOSED,
	open: BreakerState.OPEN,
	probing: BreakerState.PROBING,
};

export function figuresToProto(session: string, figures: ConsumerFigures): ProtoFigures {
	const ends = Object.entries(figures.ends).map(([end, count]) => [end, BigInt(count)] as const);
	return {
		$typeName: "payrelay.v1.ConsumerFigures",
		sessionId: session,
		inHand: figures.inHand,
		waiting: figures.waiting,
		firsts: BigInt(figures.firsts),
		retries: BigInt(figures.retries),
		ends: create(ConsumerEndsSchema, Object.fromEntries(ends)),
		answerToCommit: quantilesToProto(figures.answerToCommitMs),
		sites: processors.map((processor) => {
			const { inFlight, limit, breaker, chargeMs } = figures.processors[processor];
			return {
				$typeName: "payrelay.v1.ConsumerSite",
				processor: processorToProto[processor],
				inFlight,
				limit,
				breaker: breakerToProto[breaker],
				charge: quantilesToProto(chargeMs),
			};
		}),
	};
}

function quantilesToProto({ p50, p99 }: { readonly p50: number; readonly p99: number }): ProtoQuantiles {
	return { $typeName: "payrelay.v1.Quantiles", p50Ms: p50, p99Ms: p99 };
}
