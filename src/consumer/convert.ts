// Between the contract's messages and the consumer's own words.
import { create } from "@bufbuild/protobuf";
import type { Charge as ProtoCharge, Pin as ProtoPin } from "../gen/payrelay/v1/payment_pb.ts";
import type { PinRequest, PinResponse, ReleaseRequest } from "../gen/payrelay/v1/queue_service_pb.ts";
import {
	ConsumerEndsSchema,
	type ConsumerFigures as ProtoFigures,
	type Quantiles as ProtoQuantiles,
	type Settlement,
} from "../gen/payrelay/v1/stats_service_pb.ts";
import type { AttemptResult, Charge, Pin } from "../payment/life.ts";
import type { PinOutcome } from "../payment/outcome.ts";
import { type Processor, processors } from "../payment/payment.ts";
import { attemptResultWords, breakerWords, pinWords, processorWords, proofWords } from "../rpc/words.ts";
import type { ConsumerFigures } from "./figures.ts";
import type { Job, Proof } from "./ports.ts";

export function pinFromProto({ processor, requestedAtUs }: ProtoPin): Pin {
	return { processor: processorWords.known(processor), requestedAtUs: Number(requestedAtUs) };
}

export function pinToProto({ id, token, epoch }: Job, processor: Processor): PinRequest {
	return { $typeName: "payrelay.v1.PinRequest", id, token, epoch, processor: processorWords.code[processor] };
}

export function releaseToProto({ id, token, epoch }: Job, result: AttemptResult): ReleaseRequest {
	return { $typeName: "payrelay.v1.ReleaseRequest", id, token, epoch, result: attemptResultWords.code[result] };
}

export function settlementToProto(
	{ id, epoch }: Job,
	{ processor, amountCents, requestedAtUs }: Charge,
	proof: Proof,
): Settlement {
	const charge: ProtoCharge = {
		$typeName: "payrelay.v1.Charge",
		processor: processorWords.code[processor],
		amountCents,
		requestedAtUs: BigInt(requestedAtUs),
	};
	return { $typeName: "payrelay.v1.Settlement", id, epoch, charge, proof: proofWords.code[proof] };
}

export function pinFromResponse({ outcome, requestedAtUs }: PinResponse): PinOutcome {
	const word = pinWords.known(outcome);
	return word === "pinned" ? { outcome: word, requestedAtUs: Number(requestedAtUs) } : { outcome: word };
}

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
				processor: processorWords.code[processor],
				inFlight,
				limit,
				breaker: breakerWords.code[breaker],
				charge: quantilesToProto(chargeMs),
			};
		}),
	};
}

function quantilesToProto({ p50, p99 }: { readonly p50: number; readonly p99: number }): ProtoQuantiles {
	return { $typeName: "payrelay.v1.Quantiles", p50Ms: p50, p99Ms: p99 };
}
