// The payments that a simulated processor has stored: columns of plain memory, lost when the process ends.
//
// Typed arrays and an open-addressing index instead of a Map of objects: some 50 bytes a payment, and nothing that the
// garbage collector has to walk, so that a million payments leave the relay's share of the machine alone.
import { paymentIdFromBytes, paymentIdToBytes } from "../payment/payment.ts";

export interface StoredPayment {
	/** 1 for the first payment after a start or a purge, and so on without gaps. */
	readonly sequence: number;
	readonly correlationId: string;
	readonly cents: number;
	readonly requestedAtUs: number;
}

export interface Sum {
	readonly count: number;
	readonly cents: bigint;
}

export interface Payments {
	/** False where a payment with that id is stored already. `id` is a UUID in either case. */
	insert(id: string, cents: number, requestedAtUs: number): boolean;
	find(id: string): StoredPayment | undefined;
	/** What was requested within the inclusive bounds; everything without bounds. */
	sum(bounds?: { readonly fromUs: number; readonly toUs: number }): Sum;
	/** In the order of insertion, those behind sequence number `after`. */
	page(after: number, limit: number): StoredPayment[];
	clear(): void;
	count(): number;
}

/** Room from the start on; the system hands out the pages only when they are written to. */
const initialCapacity = 2 ** 20;
/** Doubles are summed exactly below this, and then carried over into a BigInt. */
const exactMax = 2 ** 52;

interface Columns {
	readonly capacity: number;
	readonly ids: Uint8Array;
	readonly cents: Float64Array;
	readonly requestedAtUs: Float64Array;
	/** By hash: 1 + row, 0 where free. At most half full. */
	readonly index: Uint32Array;
}

export function createPayments(capacity: number = initialCapacity): Payments {
	let columns = allocate(capacity);
	let count = 0;

	const at = (row: number): StoredPayment => ({
		sequence: row + 1,
		correlationId: paymentIdFromBytes(columns.ids.subarray(row * 16, row * 16 + 16)),
		cents: columns.cents[row]!,
		requestedAtUs: columns.requestedAtUs[row]!,
	});

	return {
		insert(id, cents, requestedAtUs) {
			const bytes = paymentIdToBytes(id);
			let slot = slotOf(columns, bytes, 0);
			if (columns.index[slot] !== 0) return false;
			if (count === columns.capacity) {
				columns = grow(columns);
				slot = slotOf(columns, bytes, 0);
			}
			columns.ids.set(bytes, count * 16);
			columns.cents[count] = cents;
			columns.requestedAtUs[count] = requestedAtUs;
			columns.index[slot] = ++count;
			return true;
		},
		find(id) {
			const row = columns.index[slotOf(columns, paymentIdToBytes(id), 0)]! - 1;
			return row < 0 ? undefined : at(row);
		},
		sum(bounds) {
			const { fromUs, toUs } = bounds ?? { fromUs: Number.NEGATIVE_INFINITY, toUs: Number.POSITIVE_INFINITY };
			let found = 0;
			let total = 0n;
			let part = 0;
			for (let row = 0; row < count; row++) {
				const us = columns.requestedAtUs[row]!;
				if (us < fromUs || us > toUs) continue;
				found++;
				const cents = columns.cents[row]!;
				if (Math.abs(part) + Math.abs(cents) > exactMax) {
					total += BigInt(part);
					part = 0;
				}
				part += cents;
			}
			return { count: found, cents: total + BigInt(part) };
		},
		page(after, limit) {
			const found: StoredPayment[] = [];
			for (let row = after; row < count && found.length < limit; row++) found.push(at(row));
			return found;
		},
		clear() {
			columns.index.fill(0);
			count = 0;
		},
		count: () => count,
	};
}

function allocate(capacity: number): Columns {
	return {
		capacity,
		ids: new Uint8Array(capacity * 16),
		cents: new Float64Array(capacity),
		requestedAtUs: new Float64Array(capacity),
		index: new Uint32Array(2 ** Math.ceil(Math.log2(capacity * 2))),
	};
}

function grow(from: Columns): Columns {
	const to = allocate(from.capacity * 2);
	to.ids.set(from.ids);
	to.cents.set(from.cents);
	to.requestedAtUs.set(from.requestedAtUs);
	for (let row = 0; row < from.capacity; row++) to.index[slotOf(to, from.ids, row * 16)] = row + 1;
	return to;
}

/** Where the id in `bytes` from `offset` on is in the index, or the free slot where it belongs. */
function slotOf({ index, ids }: Columns, bytes: Uint8Array, offset: number): number {
	const mask = index.length - 1;
	let hash = 0x811c9dc5;
	for (let i = 0; i < 16; i++) hash = Math.imul(hash ^ bytes[offset + i]!, 0x01000193);
	let slot = (hash ^ (hash >>> 15)) & mask;
	while (index[slot] !== 0 && !same(ids, (index[slot]! - 1) * 16, bytes, offset)) slot = (slot + 1) & mask;
	return slot;
}

function same(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number): boolean {
	for (let i = 0; i < 16; i++) if (a[aOffset + i] !== b[bOffset + i]) return false;
	return true;
}
