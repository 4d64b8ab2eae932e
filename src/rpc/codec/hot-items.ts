// What the messages of the hot streams are made of, field by field as the contract numbers them.
import type { Charge, Pin, Processor } from "../../gen/payrelay/v1/payment_pb.ts";
import type {
	AttemptResult,
	EnqueueRequest,
	Job,
	PinOutcome,
	PinRequest,
	PinResponse,
	ReleaseRequest,
} from "../../gen/payrelay/v1/queue_service_pb.ts";
import type { Proof, Settlement } from "../../gen/payrelay/v1/stats_service_pb.ts";
import { readCode, readId, readItem, readLong, readUint32 } from "./reader.ts";
import { writeCode, writeId, writeItem, writeLong, writeUint32, writeUnknown } from "./writer.ts";

/** A job is the largest: an id, five numbers and a pin. */
export const itemBytesMax = 96;

export function writePayment({ id, amountCents, $unknown }: EnqueueRequest): void {
	writeId(1, id);
	writeLong(2, amountCents);
	writeUnknown($unknown);
}

export function readPayment(): EnqueueRequest {
	const id = readId(1);
	const amountCents = readLong(2);
	return { $typeName: "payrelay.v1.EnqueueRequest", id, amountCents };
}

export function writePinRequest({ id, token, epoch, processor, $unknown }: PinRequest): void {
	writeId(1, id);
	writeLong(2, token);
	writeLong(3, epoch);
	writeCode(4, processor);
	writeUnknown($unknown);
}

export function readPinRequest(): PinRequest {
	const id = readId(1);
	const token = readLong(2);
	const epoch = readLong(3);
	const processor = readCode<Processor>(4);
	return { $typeName: "payrelay.v1.PinRequest", id, token, epoch, processor };
}

export function writePinResponse({ outcome, requestedAtUs, $unknown }: PinResponse): void {
	writeCode(1, outcome);
	writeLong(2, requestedAtUs);
	writeUnknown($unknown);
}

export function readPinResponse(): PinResponse {
	const outcome = readCode<PinOutcome>(1);
	const requestedAtUs = readLong(2);
	return { $typeName: "payrelay.v1.PinResponse", outcome, requestedAtUs };
}

export function writeRelease({ id, token, epoch, result, $unknown }: ReleaseRequest): void {
	writeId(1, id);
	writeLong(2, token);
	writeLong(3, epoch);
	writeCode(4, result);
	writeUnknown($unknown);
}

export function readRelease(): ReleaseRequest {
	const id = readId(1);
	const token = readLong(2);
	const epoch = readLong(3);
	const result = readCode<AttemptResult>(4);
	return { $typeName: "payrelay.v1.ReleaseRequest", id, token, epoch, result };
}

export function writeSettlement({ id, epoch, charge, proof, $unknown }: Settlement): void {
	writeId(1, id);
	writeLong(2, epoch);
	if (charge !== undefined) writeItem(3, charge, writeCharge);
	writeCode(4, proof);
	writeUnknown($unknown);
}

export function readSettlement(): Settlement {
	const id = readId(1);
	const epoch = readLong(2);
	const charge = readItem(3, readCharge);
	const proof = readCode<Proof>(4);
	const settlement: Settlement = { $typeName: "payrelay.v1.Settlement", id, epoch, proof };
	if (charge !== undefined) settlement.charge = charge;
	return settlement;
}

function writeCharge({ processor, amountCents, requestedAtUs, $unknown }: Charge): void {
	writeCode(1, processor);
	writeLong(2, amountCents);
	writeLong(3, requestedAtUs);
	writeUnknown($unknown);
}

function readCharge(): Charge {
	const processor = readCode<Processor>(1);
	const amountCents = readLong(2);
	const requestedAtUs = readLong(3);
	return { $typeName: "payrelay.v1.Charge", processor, amountCents, requestedAtUs };
}

export function writeJob({ id, amountCents, token, epoch, pin, attempts, waitedMs, $unknown }: Job): void {
	writeId(1, id);
	writeLong(2, amountCents);
	writeLong(3, token);
	writeLong(4, epoch);
	if (pin !== undefined) writeItem(5, pin, writePin);
	writeUint32(6, attempts);
	writeUint32(7, waitedMs);
	writeUnknown($unknown);
}

export function readJob(): Job {
	const id = readId(1);
	const amountCents = readLong(2);
	const token = readLong(3);
	const epoch = readLong(4);
	const pin = readItem(5, readPin);
	const attempts = readUint32(6);
	const waitedMs = readUint32(7);
	const job: Job = { $typeName: "payrelay.v1.Job", id, amountCents, token, epoch, attempts, waitedMs };
	if (pin !== undefined) job.pin = pin;
	return job;
}

function writePin({ processor, requestedAtUs, $unknown }: Pin): void {
	writeCode(1, processor);
	writeLong(2, requestedAtUs);
	writeUnknown($unknown);
}

function readPin(): Pin {
	const processor = readCode<Processor>(1);
	const requestedAtUs = readLong(2);
	return { $typeName: "payrelay.v1.Pin", processor, requestedAtUs };
}
