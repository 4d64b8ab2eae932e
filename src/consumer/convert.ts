// Between the contract's messages and the consumer's own words.
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
	Proof as ProtoProof,
	SettleOutcome as ProtoSettleOutcome,
	type Settlement,
} from "../gen/payrelay/v1/stats_service_pb.ts";
import type { AttemptResult, Charge, Pin } from "../payment/life.ts";
import type { Processor } from "../payment/payment.ts";
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
