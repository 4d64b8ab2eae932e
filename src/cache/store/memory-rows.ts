// Rows in memory: nothing survives the process. For tests, and to show what durability costs.
import { randomUUID } from "node:crypto";
import type { PaymentEvent } from "../../payment/event.ts";
import type { Processor } from "../../payment/payment.ts";
import { type Due, epochMarks, type Marks, type Row, type Rows } from "./rows.ts";
import type { Health, Window } from "./store.ts";

/** An empty medium. `commit` and `sync` do nothing, as there is no disk. */
export function createMemoryRows(): Rows {
	const bySeq = new Map<number, Row>();
	const seqOf = new Map<string, number>();
	const due = new Set<number>();
	const forgotten = new Map<string, Processor>();
	const ledger: Record<Processor, Map<number, { count: bigint; cents: bigint }>> = {
		default: new Map(),
		fallback: new Map(),
	};
	const polls: Record<Processor, number> = { default: 0, fallback: 0 };
	const health = new Map<Processor, Health>();
	const marks: Marks = { ...epochMarks(1), boot: 1, commit: 0, eventSeq: 0, eventsForgotten: 0 };
	/** In order, as a map keeps what is added. */
	const outbox = new Map<number, PaymentEvent>();
	let lastSeq = 0;

	const put = (row: Row): Row => {
		bySeq.set(row.seq, row);
		if (row.payment.dueAtMs === undefined) due.delete(row.seq);
		else due.add(row.seq);
		return row;
	};
	const ofSeq = (seq: number): Row => bySeq.get(seq) as Row;
	const dueRows = () =>
		[...due].map(ofSeq).sort((a, b) => (a.payment.dueAtMs ?? 0) - (b.payment.dueAtMs ?? 0) || a.seq - b.seq);
	const dueAt = (processor: Processor): Due[] =>
		dueRows()
			.filter(({ payment }) => payment.pin?.processor === processor)
			.map(({ payment: { id, dueAtMs = 0 } }) => ({ id, dueAtMs }));

	return {
		storeId: randomUUID().replaceAll("-", ""),
		marks,
		begin() {},
		commit() {
			marks.commit++;
		},
		async sync() {},
		insert(payment) {
			const seq = ++lastSeq;
			seqOf.set(payment.id, seq);
			return put({ seq, payment });
		},
		update: put,
		get(id) {
			const seq = seqOf.get(id);
			return seq === undefined ? undefined : bySeq.get(seq);
		},
		open(after, upTo, max) {
			const found: Row[] = [];
			for (let seq = after + 1; seq <= Math.min(upTo, lastSeq) && found.length < max; seq++) {
				const row = ofSeq(seq);
				if (row.payment.state === "accepted" || row.payment.state === "in_flight") found.push(row);
			}
			return found;
		},
		due: (processor, nowMs, max) =>
			dueAt(processor)
				.filter(({ dueAtMs }) => dueAtMs <= nowMs)
				.slice(0, max),
		dueLast: (processor, max) => dueAt(processor).reverse().slice(0, max),
		inDoubt: (processor, max) =>
			dueRows()
				.filter(({ payment }) => payment.state === "in_doubt" && payment.pin?.processor === processor)
				.reverse()
				.slice(0, max),
		book(charge) {
			const totals = ledger[charge.processor].get(charge.requestedAtUs) ?? { count: 0n, cents: 0n };
			totals.count++;
			totals.cents += charge.amountCents;
			ledger[charge.processor].set(charge.requestedAtUs, totals);
		},
		summary({ fromUs = 0, toUs = Number.MAX_SAFE_INTEGER }: Window) {
			let rowsVisited = 0;
			const add = (processor: Processor) => {
				let count = 0n;
				let amountCents = 0n;
				for (const [us, totals] of ledger[processor]) {
					rowsVisited++;
					if (us < fromUs || us > toUs) continue;
					count += totals.count;
					amountCents += totals.cents;
				}
				return { count, amountCents };
			};
			return { totals: { default: add("default"), fallback: add("fallback") }, rowsVisited };
		},
		parked(after, max) {
			const found: Row[] = [];
			for (const seq of [...due].sort((a, b) => a - b)) {
				const row = ofSeq(seq);
				if (seq > after && row.payment.state === "parked" && found.length < max) found.push(row);
			}
			return found;
		},
		forgotten: (id) => forgotten.get(id),
		dropForgotten: (id) => void forgotten.delete(id),
		announce: (event) => void outbox.set(event.seq, event),
		outbox(after, upTo, max) {
			const found: PaymentEvent[] = [];
			for (const event of outbox.values()) {
				if (found.length >= max || event.seq > upTo) break;
				if (event.seq > after) found.push(event);
			}
			return found;
		},
		forgetEvents(upTo) {
			for (const seq of outbox.keys()) {
				if (seq > upTo) break;
				outbox.delete(seq);
			}
		},
		forgetAll() {
			let keptInDoubt = 0;
			for (const { payment } of bySeq.values()) {
				if (!payment.pin) continue;
				forgotten.set(payment.id, payment.pin.processor);
				keptInDoubt++;
			}
			const count = bySeq.size;
			lastSeq = 0;
			for (const part of [bySeq, seqOf, due, ledger.default, ledger.fallback]) part.clear();
			return { forgotten: count, keptInDoubt };
		},
		pollAtMs: (processor) => polls[processor],
		savePollAtMs(processor, atMs) {
			polls[processor] = atMs;
		},
		health: () => [...health.values()],
		saveHealth: (answer) => void health.set(answer.processor, answer),
		contradiction: (what) => new Error(`${what} is not what was written`),
		judge: (error) => error,
		close() {},
	};
}
