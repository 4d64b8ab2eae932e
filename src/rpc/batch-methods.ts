// The four streams of batches in the contract: the relay's hot paths.
import {
	type EnqueueOutcome,
	type EnqueueRequest,
	type EnqueueStreamRequestSchema,
	type EnqueueStreamResponseSchema,
	type PinRequest,
	type PinResponse,
	type PinStreamRequestSchema,
	type PinStreamResponseSchema,
	QueueService,
	type ReleaseOutcome,
	type ReleaseRequest,
	type ReleaseStreamRequestSchema,
	type ReleaseStreamResponseSchema,
} from "../gen/payrelay/v1/queue_service_pb.ts";
import {
	type InsertStatsStreamRequestSchema,
	type InsertStatsStreamResponseSchema,
	type Settlement,
	type SettleOutcome,
	StatsService,
} from "../gen/payrelay/v1/stats_service_pb.ts";
import type { BatchMethod } from "./batch-method.ts";

export const enqueueBatches: BatchMethod<
	EnqueueRequest,
	EnqueueOutcome,
	typeof EnqueueStreamRequestSchema,
	typeof EnqueueStreamResponseSchema
> = {
	method: QueueService.method.enqueueStream,
	request: (batch, payments) => ({ $typeName: "payrelay.v1.EnqueueStreamRequest", batch, payments }),
	items: ({ payments }) => payments,
	response: (batch, outcomes) => ({ $typeName: "payrelay.v1.EnqueueStreamResponse", batch, outcomes }),
	outcomes: ({ outcomes }) => outcomes,
};

export const pinBatches: BatchMethod<
	PinRequest,
	PinResponse,
	typeof PinStreamRequestSchema,
	typeof PinStreamResponseSchema
> = {
	method: QueueService.method.pinStream,
	request: (batch, pins) => ({ $typeName: "payrelay.v1.PinStreamRequest", batch, pins }),
	items: ({ pins }) => pins,
	response: (batch, pins) => ({ $typeName: "payrelay.v1.PinStreamResponse", batch, pins }),
	outcomes: ({ pins }) => pins,
};

export const releaseBatches: BatchMethod<
	ReleaseRequest,
	ReleaseOutcome,
	typeof ReleaseStreamRequestSchema,
	typeof ReleaseStreamResponseSchema
> = {
	method: QueueService.method.releaseStream,
	request: (batch, releases) => ({ $typeName: "payrelay.v1.ReleaseStreamRequest", batch, releases }),
	items: ({ releases }) => releases,
	response: (batch, outcomes) => ({ $typeName: "payrelay.v1.ReleaseStreamResponse", batch, outcomes }),
	outcomes: ({ outcomes }) => outcomes,
};

export const settleBatches: BatchMethod<
	Settlement,
	SettleOutcome,
	typeof InsertStatsStreamRequestSchema,
	typeof InsertStatsStreamResponseSchema
> = {
	method: StatsService.method.insertStatsStream,
	request: (batch, settlements) => ({ $typeName: "payrelay.v1.InsertStatsStreamRequest", batch, settlements }),
	items: ({ settlements }) => settlements,
	response: (batch, outcomes) => ({ $typeName: "payrelay.v1.InsertStatsStreamResponse", batch, outcomes }),
	outcomes: ({ outcomes }) => outcomes,
};
