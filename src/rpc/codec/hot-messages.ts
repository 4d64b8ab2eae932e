// The messages of the hot streams: how each is written and read by hand.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import * as queue from "../../gen/payrelay/v1/queue_service_pb.ts";
import * as stats from "../../gen/payrelay/v1/stats_service_pb.ts";
import {
	itemBytesMax,
	readJob,
	readPayment,
	readPinRequest,
	readPinResponse,
	readRelease,
	readSettlement,
	writeJob,
	writePayment,
	writePinRequest,
	writePinResponse,
	writeRelease,
	writeSettlement,
} from "./hot-items.ts";
import { readCodes, readItems, readUint32, readWhole, startReading } from "./reader.ts";
import { startWriting, writeCodes, writeItems, writeUint32, written } from "./writer.ts";

/** Both give `undefined` for what is not ordinary; protobuf-es has the word then. */
export interface HotCodec<Desc extends DescMessage> {
	encode(message: MessageShape<Desc>, headBytes: number): Buffer | undefined;
	decode(bytes: Uint8Array): MessageShape<Desc> | undefined;
}

type Batch = Pick<queue.EnqueueStreamRequest, "batch" | "$unknown">;

function encodeItems<Item>(
	{ batch, $unknown }: Batch,
	headBytes: number,
	items: readonly Item[],
	write: (item: Item) => void,
): Buffer | undefined {
	startWriting(items.length * itemBytesMax, headBytes);
	writeUint32(1, batch);
	writeItems(2, items, write);
	return written($unknown);
}

function encodeOutcomes(
	{ batch, outcomes, $unknown }: Batch & { outcomes: number[] },
	headBytes: number,
): Buffer | undefined {
	startWriting(outcomes.length, headBytes);
	writeUint32(1, batch);
	writeCodes(2, outcomes);
	return written($unknown);
}

const enqueueRequests: HotCodec<typeof queue.EnqueueStreamRequestSchema> = {
	encode: (message, headBytes) => encodeItems(message, headBytes, message.payments, writePayment),
	decode(bytes) {
		startReading(bytes);
		const batch = readUint32(1);
		const payments = readItems(2, readPayment);
		return readWhole() ? { $typeName: "payrelay.v1.EnqueueStreamRequest", batch, payments } : undefined;
	},
};

const enqueueResponses: HotCodec<typeof queue.EnqueueStreamResponseSchema> = {
	encode: encodeOutcomes,
	decode(bytes) {
		startReading(bytes);
		const batch = readUint32(1);
		const outcomes = readCodes<queue.EnqueueOutcome>(2);
		return readWhole() ? { $typeName: "payrelay.v1.EnqueueStreamResponse", batch, outcomes } : undefined;
	},
};

const pinRequests: HotCodec<typeof queue.PinStreamRequestSchema> = {
	encode: (message, headBytes) => encodeItems(message, headBytes, message.pins, writePinRequest),
	decode(bytes) {
		startReading(bytes);
		const batch = readUint32(1);
		const pins = readItems(2, readPinRequest);
		return readWhole() ? { $typeName: "payrelay.v1.PinStreamRequest", batch, pins } : undefined;
	},
};

const pinResponses: HotCodec<typeof queue.PinStreamResponseSchema> = {
	encode: (message, headBytes) => encodeItems(message, headBytes, message.pins, writePinResponse),
	decode(bytes) {
		startReading(bytes);
		const batch = readUint32(1);
		const pins = readItems(2, readPinResponse);
		return readWhole() ? { $typeName: "payrelay.v1.PinStreamResponse", batch, pins } : undefined;
	},
};

const releaseRequests: HotCodec<typeof queue.ReleaseStreamRequestSchema> = {
	encode: (message, headBytes) => encodeItems(message, headBytes, message.releases, writeRelease),
	decode(bytes) {
		startReading(bytes);
		const batch = readUint32(1);
		const releases = readItems(2, readRelease);
		return readWhole() ? { $typeName: "payrelay.v1.ReleaseStreamRequest", batch, releases } : undefined;
	},
};

const releaseResponses: HotCodec<typeof queue.ReleaseStreamResponseSchema> = {
	encode: encodeOutcomes,
	decode(bytes) {
		startReading(bytes);
		const batch = readUint32(1);
		const outcomes = readCodes<queue.ReleaseOutcome>(2);
		return readWhole() ? { $typeName: "payrelay.v1.ReleaseStreamResponse", batch, outcomes } : undefined;
	},
};

const settleRequests: HotCodec<typeof stats.InsertStatsStreamRequestSchema> = {
	encode: (message, headBytes) => encodeItems(message, headBytes, message.settlements, writeSettlement),
	decode(bytes) {
		startReading(bytes);
		const batch = readUint32(1);
		const settlements = readItems(2, readSettlement);
		return readWhole() ? { $typeName: "payrelay.v1.InsertStatsStreamRequest", batch, settlements } : undefined;
	},
};

const settleResponses: HotCodec<typeof stats.InsertStatsStreamResponseSchema> = {
	encode: encodeOutcomes,
	decode(bytes) {
		startReading(bytes);
		const batch = readUint32(1);
		const outcomes = readCodes<stats.SettleOutcome>(2);
		return readWhole() ? { $typeName: "payrelay.v1.InsertStatsStreamResponse", batch, outcomes } : undefined;
	},
};

/** With `lost` tokens, which only a session that comes back is told, it is not ordinary. */
const dequeueResponses: HotCodec<typeof queue.DequeueBatchResponseSchema> = {
	encode({ jobs, lost, leaseMs, inFlightMax, backlog, $unknown }, headBytes) {
		if (lost.length > 0) return undefined;
		startWriting(jobs.length * itemBytesMax, headBytes);
		writeItems(1, jobs, writeJob);
		writeUint32(3, leaseMs);
		writeUint32(4, inFlightMax);
		writeUint32(5, backlog);
		return written($unknown);
	},
	decode(bytes) {
		startReading(bytes);
		const jobs = readItems(1, readJob);
		const leaseMs = readUint32(3);
		const inFlightMax = readUint32(4);
		const backlog = readUint32(5);
		if (!readWhole()) return undefined;
		return { $typeName: "payrelay.v1.DequeueBatchResponse", jobs, lost: [], leaseMs, inFlightMax, backlog };
	},
};

export const hotCodecs: ReadonlyMap<DescMessage, HotCodec<DescMessage>> = new Map<DescMessage, HotCodec<DescMessage>>([
	[queue.EnqueueStreamRequestSchema, enqueueRequests],
	[queue.EnqueueStreamResponseSchema, enqueueResponses],
	[queue.PinStreamRequestSchema, pinRequests],
	[queue.PinStreamResponseSchema, pinResponses],
	[queue.ReleaseStreamRequestSchema, releaseRequests],
	[queue.ReleaseStreamResponseSchema, releaseResponses],
	[queue.DequeueBatchResponseSchema, dequeueResponses],
	[stats.InsertStatsStreamRequestSchema, settleRequests],
	[stats.InsertStatsStreamResponseSchema, settleResponses],
]);
