// The invariants: what must hold at every charge, at every restart of the cache, and when all is quiet again.
//
//   I1  An acknowledged payment is charged exactly once, at exactly one processor, with its amount; one that was not
//       acknowledged at most once; nothing is charged that was never posted. Checked at every single charge.
//   I2  The ledger's totals, for everything and for random windows, are those of the processors.
//   I3  An acknowledged payment is in the store, once: in the queue or in the ledger.
//   I5  All of this within 30 s after the last fault has healed. Only what is in doubt at a processor that never came
//       back may wait; it is at that processor alone.
//
// Besides: tokens never repeat; a POST leaves only when its attempt is safely on disk, and an answer to a client only
// when its payment is (`strict`); no more attempts are open than allowed; the store's counters are those of its rows;
// a payment is flagged only where its recorded charge may differ.
import type { Row, Rows } from "../../src/cache/store/rows.ts";
import type { Charge } from "../../src/payment/life.ts";
import { type Processor, processors } from "../../src/payment/payment.ts";
import type { Disk } from "./disk.ts";
import type { SimulatedProcessor } from "./processors.ts";
import { startMs, type World } from "./world.ts";

export interface Books {
	posted(id: string, amountCents: bigint): void;
	/** `epoch`: in which it was safely on disk as the answer left; undefined where it was not. */
	acknowledged(id: string, amountCents: bigint, epoch: number | undefined): void;
	charged(charge: Charge, id: string): void;
	token(token: number, id: string): void;
	/** The cache has started again: every acknowledged payment that no purge has forgotten is there, and will be seen. */
	started(rows: Rows): void;
	/** Is there nothing left to do? */
	drained(rows: Rows): boolean;
	/** Why a payment is not finished, for the report. */
	unfinished(rows: Rows): string;
	final(rows: Rows): void;
}

export function createBooks(
	world: World,
	disk: Disk,
	at: () => Record<Processor, SimulatedProcessor>,
	strict: boolean,
): Books {
	const posted = new Map<string, Set<bigint>>();
	const acknowledged = new Map<string, { amountCents: bigint; epoch: number }>();
	const tokens = new Map<number, string>();

	const chargesOf = (id: string): Charge[] =>
		processors.map((processor) => at()[processor].stored.get(id)).filter((charge) => charge !== undefined);

	/** It may wait for a person, or for a processor that never came back. */
	function mayWait({ payment }: Row): boolean {
		if (payment.state === "given_up") return true;
		const waits = payment.state === "in_doubt" || payment.state === "parked";
		return waits && payment.pin !== undefined && at()[payment.pin.processor].dead;
	}

	function rowsOf(rows: Rows): Row[] {
		return [...posted.keys()].map((id) => rows.get(id)).filter((row) => row !== undefined);
	}

	function nothingLost(rows: Rows): void {
		for (const [id, { amountCents, epoch }] of acknowledged) {
			if (epoch !== rows.marks.epoch) continue;
			const payment = rows.get(id)?.payment;
			if (!payment) world.fail(`I3: ${id} was acknowledged and is lost`);
			else if (payment.amountCents !== amountCents)
				world.fail(`I3: ${id} was acknowledged with ${amountCents} cents, and has ${payment.amountCents}`);
		}
	}

	function checkPayment(row: Row): void {
		const { id, state, charge, flagged } = row.payment;
		const charges = chargesOf(id);
		if (state === "settled") {
			const found = charges.find(({ processor }) => processor === charge?.processor) ?? charges[0];
			if (!charge || !found) world.fail(`I1: ${id} is settled, and nobody has charged it`);
			else if (found.processor !== charge.processor || found.amountCents !== charge.amountCents)
				world.fail(`I2: ${id} is in the books of ${charge.processor}, and was charged at ${found.processor}`);
			else if (found.requestedAtUs !== charge.requestedAtUs) world.fail(`I2: ${id} has another moment in the books`);
			else if (strict && flagged && !disk.purgedInDoubt.has(id) && !disk.acceptedAnew.has(id))
				world.fail(`${id} is flagged without a reason`);
		} else if (!mayWait(row)) world.fail(`I5: ${id} is ${state} long after the last fault`);
		else if (state === "given_up" && charges.length > 0) world.fail(`I1: ${id} was charged after it was given up`);
	}

	function checkTotals(rows: Rows): void {
		const inBooks = rowsOf(rows).filter(({ payment }) => payment.state === "settled");
		const ids = new Set(inBooks.map(({ payment }) => payment.id));
		for (const processor of processors) {
			for (const [id] of at()[processor].stored) {
				const row = rows.get(id);
				const excused = row ? mayWait(row) : rows.marks.epoch > 1;
				if (!ids.has(id) && !excused)
					world.fail(`I2: ${processor} has charged ${id}, and the books know nothing of it`);
			}
		}
		const spanMs = world.nowMs;
		const bound = () => (startMs + Math.floor(world.prng.between(-5000, spanMs))) * 1000;
		const windows = [{}, ...Array.from({ length: 4 }, () => ({ fromUs: bound(), toUs: bound() }))];
		for (const window of windows) {
			const { totals } = rows.summary(window);
			for (const processor of processors) {
				const { fromUs = 0, toUs = Number.MAX_SAFE_INTEGER } = window as { fromUs?: number; toUs?: number };
				let count = 0n;
				let amountCents = 0n;
				for (const [id, charge] of at()[processor].stored) {
					if (disk.acceptedAnew.has(id) && rows.get(id)?.payment.charge?.processor !== processor) continue;
					if (!ids.has(id) || charge.requestedAtUs < fromUs || charge.requestedAtUs > toUs) continue;
					count++;
					amountCents += charge.amountCents;
				}
				const found = totals[processor];
				if (found.count !== count || found.amountCents !== amountCents)
					world.fail(`I2: the books have ${found.count} payments at ${processor}, which has ${count}`);
			}
		}
	}

	return {
		posted(id, amountCents) {
			const amounts = posted.get(id) ?? new Set();
			posted.set(id, amounts.add(amountCents));
		},
		acknowledged(id, amountCents, safeIn) {
			if (safeIn === undefined && strict) world.fail(`${id} was acknowledged before it was safe`);
			const before = acknowledged.get(id);
			const epoch = safeIn ?? before?.epoch ?? 1;
			if (before && before.epoch > epoch) return;
			if (before?.epoch === epoch && before.amountCents !== amountCents)
				world.fail(`I1: ${id} was acknowledged with two amounts`);
			acknowledged.set(id, { amountCents, epoch });
		},
		charged(charge, id) {
			if (!posted.get(id)?.has(charge.amountCents)) world.fail(`I1: ${id} was charged, and never posted so`);
			if (chargesOf(id).length > 1 && !disk.acceptedAnew.has(id))
				world.fail(`I1: ${id} was charged at both processors`);
			const known = acknowledged.get(id);
			const current = known !== undefined && disk.acceptedSafe(id)?.epoch === known.epoch;
			if (disk.acceptedAnew.has(id)) return;
			if (current && known.amountCents !== charge.amountCents && !disk.purgedInDoubt.has(id))
				world.fail(`I1: ${id} was charged with another amount than acknowledged`);
		},
		token(token, id) {
			if (strict && tokens.has(token)) world.fail(`token ${token} of ${tokens.get(token)} was issued again for ${id}`);
			tokens.set(token, id);
		},
		started(rows) {
			nothingLost(rows);
			const passedOver = rows.open(0, rows.marks.doneUpTo, 1)[0];
			if (passedOver && strict) world.fail(`I3: the restart passes over ${passedOver.payment.id}`);
		},
		drained: (rows) => rowsOf(rows).every((row) => row.payment.state === "settled" || mayWait(row)),
		unfinished: (rows) =>
			rowsOf(rows)
				.filter((row) => row.payment.state !== "settled" && !mayWait(row))
				.map(({ payment }) => `${payment.id} is ${payment.state}`)
				.join(", "),
		final(rows) {
			nothingLost(rows);
			for (const row of rowsOf(rows)) checkPayment(row);
			checkTotals(rows);
			checkCounters(world, rows, rowsOf(rows));
		},
	};
}

function checkCounters(world: World, { marks }: Rows, all: readonly Row[]): void {
	const count = (...states: string[]) => BigInt(all.filter(({ payment }) => states.includes(payment.state)).length);
	const expected = {
		open: count("accepted", "in_flight"),
		inDoubt: count("in_doubt"),
		parked: count("parked"),
		settled: count("settled"),
		accepted: BigInt(all.length),
	};
	for (const [mark, value] of Object.entries(expected))
		if (BigInt(marks[mark as keyof typeof expected]) !== value)
			world.fail(`the store counts ${marks[mark as keyof typeof expected]} ${mark}, and there are ${value}`);
}
