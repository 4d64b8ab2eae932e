// A data folder with a long past: payments settled long ago and payments that wait, written in bulk.
//
// They go through the rules of a payment's life and the store's own rows, so that the database is what a relay would have
// left behind, but for the order in which pages were filled. All follows from the seed: the books are known for any window.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Rows } from "../cache/store/rows.ts";
import { openSqliteRows } from "../cache/store/sqlite/rows.ts";
import * as life from "../payment/life.ts";
import type { Processor } from "../payment/payment.ts";
import { type Amounts, variedAmounts } from "./amounts.ts";
import type { Books } from "./books.ts";
import { createIds, type Ids } from "./ids.ts";

export interface Prefill {
	readonly seed: number;
	readonly settled: number;
	/** Accepted after all of these, and never given out. */
	readonly waiting: number;
}

/** One a millisecond, from here on. */
const firstMs = Date.UTC(2025, 0, 1);
/** What settles take after their pins. */
const chargeMs = 2;
/** Of ten charges, so many were the fallback's. */
const fallbackOfTen = 1;
/** Payments in one transaction: the more, the more often one page of the index is written for several of them. */
const batchSize = 1_000_000;
const noteName = "prefilled.json";

/**
 * Brings the folder to what is asked, from whatever an earlier call with the same seed left; `tell` hears how far it is.
 * Throws where the folder has more than that, or another's payments.
 */
export async function prefill(folder: string, wanted: Prefill, tell: (text: string) => void): Promise<void> {
	const source = sourceOf(wanted.seed);
	let found = readNote(folder) ?? { seed: wanted.seed, settled: 0, waiting: 0 };
	if (found.seed !== wanted.seed || found.settled > wanted.settled || found.waiting > wanted.waiting)
		throw new Error(`${folder} was filled with ${JSON.stringify(found)}; take another folder`);
	if (found.waiting > 0 && found.settled < wanted.settled)
		throw new Error(`${folder} has payments waiting, and settled ones come before these; take another folder`);
	while (found.settled < wanted.settled || found.waiting < wanted.waiting) {
		const settling = found.settled < wanted.settled;
		const from = found.settled + found.waiting;
		const count = Math.min(batchSize, settling ? wanted.settled - found.settled : wanted.waiting - found.waiting);
		// Each batch has an opening of its own: closing writes the log back, which would grow over all of them.
		const rows = await openSqliteRows(folder);
		try {
			if (found.settled + found.waiting === 0 && rows.marks.accepted > 0)
				throw new Error(`${folder} has payments of a relay's; take another folder`);
			rows.begin();
			if (settling) addSettled(rows, source, from, count);
			else addWaiting(rows, source, from, count);
			rows.commit();
			await rows.sync();
		} finally {
			rows.close();
		}
		found = settling ? { ...found, settled: found.settled + count } : { ...found, waiting: found.waiting + count };
		writeFileSync(join(folder, noteName), JSON.stringify(found));
		tell(`${found.settled} settled and ${found.waiting} waiting payments written`);
	}
}

/** What the books hold of the settled ones in a window; its ends are inclusive, ms. */
export function prefilledBooks({ seed, settled }: Prefill, fromMs: number, toMs: number): Books {
	const { amounts, processorOf } = sourceOf(seed);
	const counts = { default: 0, fallback: 0 };
	const cents = { default: 0, fallback: 0 };
	const last = Math.min(settled - 1, Math.floor(toMs) - firstMs);
	for (let n = Math.max(0, Math.ceil(fromMs) - firstMs); n <= last; n++) {
		counts[processorOf(n)]++;
		cents[processorOf(n)] += amounts(n);
	}
	const totals = (one: Processor) => ({ count: counts[one], cents: BigInt(cents[one]) });
	return { default: totals("default"), fallback: totals("fallback") };
}

/** The moments of the first and the last settled payment, ms. */
export function prefilledSpan({ settled }: Prefill): { readonly fromMs: number; readonly toMs: number } {
	return { fromMs: firstMs, toMs: firstMs + settled - 1 };
}

interface Source {
	/** Of the payments `from` to `from + count - 1`. */
	readonly idsOf: (from: number, count: number) => readonly string[];
	readonly amounts: Amounts;
	readonly processorOf: (n: number) => Processor;
}

function sourceOf(seed: number): Source {
	const nonce = new Uint8Array(16);
	new DataView(nonce.buffer).setUint32(4, seed);
	const ids: Ids = createIds(nonce);
	return {
		// Random over the batches, rising within each: the index is then passed through once a batch, not at random.
		idsOf: (from, count) => Array.from({ length: count }, (_, i) => ids.at(from + i)).sort(),
		amounts: variedAmounts(seed),
		processorOf: (n) => (n % 10 < fallbackOfTen ? "fallback" : "default"),
	};
}

function addSettled(rows: Rows, { idsOf, amounts, processorOf }: Source, from: number, count: number): void {
	const { marks } = rows;
	if (marks.open > 0) throw new Error("payments wait in this folder, and settled ones come before these");
	let seq = 0;
	for (const [i, id] of idsOf(from, count).entries()) {
		const n = from + i;
		const requestedAtMs = firstMs + n;
		const processor = processorOf(n);
		const amountCents = BigInt(amounts(n));
		const charge = { processor, amountCents, requestedAtUs: requestedAtMs * 1000 };
		// Tokens of a start before the first: no lease ever has them.
		const pinned = life.pin(life.accept(id, amountCents, charge.requestedAtUs), processor, n + 1, requestedAtMs);
		const settled = pinned && life.settle(pinned, charge, (requestedAtMs + chargeMs) * 1000);
		if (!settled || "unchanged" in settled) throw new Error(`payment ${n} cannot be settled`);
		seq = rows.insert(settled.payment).seq;
		rows.book(charge);
	}
	marks.accepted += count;
	marks.settled += count;
	marks.attempts += count;
	marks.leasedUpTo = seq;
	marks.doneUpTo = seq;
}

function addWaiting(rows: Rows, { idsOf, amounts }: Source, from: number, count: number): void {
	for (const [i, id] of idsOf(from, count).entries())
		rows.insert(life.accept(id, BigInt(amounts(from + i)), (firstMs + from + i) * 1000));
	rows.marks.accepted += count;
	rows.marks.open += count;
}

function readNote(folder: string): Prefill | undefined {
	const path = join(folder, noteName);
	return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Prefill) : undefined;
}
