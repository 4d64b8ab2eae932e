// The queue's hot calls over its streams of batches: what is asked while a batch is under way is the next batch.
import type { PinRequest, PinResponse, ReleaseOutcome, ReleaseRequest } from "../gen/payrelay/v1/queue_service_pb.ts";
import type { Settlement, SettleOutcome } from "../gen/payrelay/v1/stats_service_pb.ts";
import {
	pinFromResponse,
	pinToProto,
	releaseFromProto,
	releaseToProto,
	settleFromProto,
	settlementToProto,
} from "./convert.ts";
import type { Queue } from "./ports.ts";

/** Asks for one thing of a batch; rejects when no answer came in time. */
export type BatchCall<Request, Response> = (request: Request, signal?: AbortSignal) => Promise<Response>;

export interface QueueCalls {
	readonly pin: BatchCall<PinRequest, PinResponse>;
	readonly release: BatchCall<ReleaseRequest, ReleaseOutcome>;
	readonly settle: BatchCall<Settlement, SettleOutcome>;
}

export function createQueue({ pin, release, settle }: QueueCalls): Queue {
	return {
		async pin(job, processor, signal) {
			return pinFromResponse(await pin(pinToProto(job, processor), signal));
		},
		async release(job, result) {
			return releaseFromProto(await release(releaseToProto(job, result)));
		},
		async settle(job, charge, proof) {
			return settleFromProto(await settle(settlementToProto(job, charge, proof)));
		},
	};
}
