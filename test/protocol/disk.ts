// A medium that can lose what it has not synced: rows in memory, and a log of commits from which a restart begins.
//
// A crash keeps every synced commit, and of the others a prefix, as a write-ahead log does; what was kept without a sync
// can still be lost the next time. What was changed since the last commit is gone. Memory, and with it every lease, is
// gone too. The count of starts is on disk before a start issues its first token.
import { createMemoryRows } from "../../src/cache/store/memory-rows.ts";
import type { Marks, Row, Rows } from "../../src/cache/store/rows.ts";
import type { EventType } from "../../src/payment/event.ts";
import type { Payment } from "../../src/payment/life.ts";
import { type Processor, processors } from "../../src/payment/payment.ts";
import type { Weather } from "./weather.ts";
import type { Process, World } from "./world.ts";

type Op = (rows: Rows) => void;

/** A step in a payment's life that an event is to tell of. */
interface Step {
	readonly type: EventType;
	readonly paymentId: string;
}

/** What a broken medium does differently. */
export interface DiskMutant {
	/** Starts are not counted. */
	readonly bootStays?: true;
	/** `sync` resolves before anything is safe. */
	readonly syncLies?: true;
	readonly open?: (rows: Rows) => void;
	readonly afterForget?: (rows: Rows, forgotten: readonly Row[]) => void;
	/** Events are written in the commit after the one that makes them true. */
	readonly tellsLater?: true;
}

export interface Disk {
	/** Opens what is there, in a new start. */
	open(process: Process, die: (why: string) => void): Rows;
	/** The process that had it open has ended: what survives is decided. */
	crash(): void;
	/** Is the attempt named by this token safely on disk? */
	attemptSafe(token: number): boolean;
	/** Is the acceptance of this payment safely on disk, and in which epoch? */
	acceptedSafe(id: string): { readonly epoch: number } | undefined;
	/** Is the event of this number safely on disk? */
	eventSafe(seq: number): boolean;
	/** The steps that are to be told, by the commits there are, oldest first. */
	toBeTold(): Step[];
	/** Payments that were settled when a purge forgot them. */
	readonly settledAndPurged: ReadonlySet<string>;
	/** Those of them that were accepted once more all the same, in one commit with the purge: new payments under an old id. */
	readonly acceptedAnew: ReadonlySet<string>;
	/** Payments that were given up, in doubt or in flight when a purge forgot them. */
	readonly purgedInDoubt: ReadonlySet<string>;
}

export function createDisk(world: World, { disk: faults, settings }: Weather, mutant: DiskMutant): Disk {
	const { prng } = world;
	const commits: { readonly ops: readonly Op[]; readonly marks: Marks; readonly steps: readonly Step[] }[] = [];
	/** The commit of each event. */
	const events = new Map<number, number>();
	const attempts = new Map<number, number>();
	/** Of each payment, the oldest first: a purge makes room for another one. */
	const acceptances = new Map<string, { readonly commit: number; readonly epoch: number }[]>();
	const settledAndPurged = new Set<string>();
	const purgedInDoubt = new Set<string>();
	const acceptedAnew = new Set<string>();
	let synced = 0;
	let boots = 0;
	/** A sync that was under way when the process ended says nothing. */
	let generation = 0;

	function open(process: Process, die: (why: string) => void): Rows {
		const memory = createMemoryRows();
		for (const { ops } of commits) for (const op of ops) op(memory);
		if (!mutant.bootStays || boots === 0) boots++;
		Object.assign(memory.marks, commits.at(-1)?.marks, { boot: boots });
		const { marks } = memory;
		mutant.open?.(memory);
		let ops: Op[] = [];
		let steps: Step[] = [];
		const later: Op[] = [];
		const open = countOpen(memory);

		/** The process ends here, in the middle of what it is doing. */
		function dieNow(why: string): never {
			die(why);
			throw new Error(`the process has ended ${why}`);
		}
		function alive(): void {
			if (!process.up) throw new Error("the process has ended");
		}
		function apply(op: Op): void {
			alive();
			ops.push(op);
			op(memory);
		}

		/** Told by what changes in the rows, and not by who writes events. */
		function watch(before: Payment | undefined, { id, state }: Payment): void {
			if (!before) steps.push({ type: "payment.accepted", paymentId: id });
			else if (state !== before.state && state === "settled") steps.push({ type: "payment.processed", paymentId: id });
			else if (state !== before.state && state === "parked") steps.push({ type: "payment.parked", paymentId: id });
		}

		return {
			...memory,
			storeId: "the same for all starts",
			marks,
			begin() {
				alive();
				ops = [];
				steps = [];
				for (const op of later.splice(0)) apply(op);
			},
			commit() {
				alive();
				if (world.chaos && prng.chance(faults.crash)) dieNow("before a commit");
				memory.commit();
				commits.push({ ops, marks: { ...marks }, steps });
				for (const processor of open.over(settings.inFlightMax))
					world.fail(`more than ${settings.inFlightMax} attempts are open towards ${processor}`);
				if (world.chaos && prng.chance(faults.crash)) dieNow("between commit and sync");
			},
			sync() {
				const upTo = commits.length;
				const fails = world.chaos && prng.chance(faults.syncFails);
				const dies = world.chaos && prng.chance(faults.crash);
				return new Promise((resolve, reject) => {
					// Bound to this life of the process, but the disk goes on while the process is stopped.
					const inThisLife = process.bind(() => {
						world.touch();
						if (fails) reject(new Error("the sync failed"));
						else resolve();
					});
					const begunIn = generation;
					world.after(prng.between(0.05, faults.syncMs), () => {
						if (generation !== begunIn) return;
						if (!fails) synced = Math.max(synced, upTo);
						if (dies) return die("between sync and answer");
						if (!mutant.syncLies) inThisLife();
					});
					if (mutant.syncLies) resolve();
				});
			},
			insert(payment) {
				alive();
				ops.push((rows) => void rows.insert(payment));
				watch(undefined, payment);
				if (settledAndPurged.has(payment.id)) acceptedAnew.add(payment.id);
				const before = acceptances.get(payment.id) ?? [];
				acceptances.set(payment.id, [...before, { commit: commits.length, epoch: marks.epoch }]);
				return memory.insert(payment);
			},
			update(row) {
				const { id, openAttempt, pin } = row.payment;
				const old = memory.get(id)?.payment;
				if (old) watch(old, row.payment);
				if (openAttempt !== (old?.openAttempt ?? 0)) {
					open.set(id, openAttempt === 0 ? undefined : pin?.processor);
					if (openAttempt !== 0) attempts.set(openAttempt, commits.length);
				}
				apply((rows) => rows.update(row));
			},
			book: (charge) => apply((rows) => rows.book(charge)),
			dropForgotten: (id) => apply((rows) => rows.dropForgotten(id)),
			announce(event) {
				events.set(event.seq, commits.length);
				if (mutant.tellsLater) later.push((rows) => rows.announce(event));
				else apply((rows) => rows.announce(event));
			},
			forgetEvents: (upTo) => apply((rows) => rows.forgetEvents(upTo)),
			forgetAll() {
				const aside = processors.flatMap((processor) => memory.dueLast(processor, 1e9));
				const all = [
					...memory.open(0, Number.MAX_SAFE_INTEGER, 1e9),
					...aside.flatMap(({ id }) => memory.get(id) ?? []),
				];
				const unfinished = new Set(all.map((row) => row.payment.id));
				for (const id of acceptances.keys()) {
					const state = memory.get(id)?.payment.state;
					if (state === "settled") settledAndPurged.add(id);
					else if (state === "given_up" || (unfinished.has(id) && memory.get(id)?.payment.pin)) purgedInDoubt.add(id);
				}
				open.clear();
				let result = { forgotten: 0, keptInDoubt: 0 };
				apply((rows) => {
					result = rows.forgetAll();
					mutant.afterForget?.(rows, all);
				});
				return result;
			},
			savePollAtMs: (processor, atMs) => apply((rows) => rows.savePollAtMs(processor, atMs)),
			saveHealth: (health) => apply((rows) => rows.saveHealth(health)),
			close() {},
		};
	}

	return {
		settledAndPurged,
		acceptedAnew,
		purgedInDoubt,
		open,
		crash() {
			generation++;
			// Only the process ended: what it wrote is still there, and yet no safer than before. Or the power was lost.
			const kept = prng.chance(0.5) ? commits.length : prng.int(synced, commits.length);
			world.note(() => `disk: ${synced} of ${commits.length} commits were synced, ${kept} survive`);
			commits.length = kept;
			for (const [token, commit] of attempts) if (commit >= kept) attempts.delete(token);
			for (const [seq, commit] of events) if (commit >= kept) events.delete(seq);
			for (const [id, all] of acceptances)
				acceptances.set(
					id,
					all.filter(({ commit }) => commit < kept),
				);
		},
		attemptSafe: (token: number) => (attempts.get(token) ?? Number.POSITIVE_INFINITY) < synced,
		eventSafe: (seq: number) => (events.get(seq) ?? Number.POSITIVE_INFINITY) < synced,
		toBeTold: () => commits.flatMap(({ steps }) => steps),
		acceptedSafe(id: string) {
			return acceptances.get(id)?.findLast(({ commit }) => commit < synced);
		},
	};
}

/** Open attempts by payment; those in doubt that a restart left behind have no lease, and do not count. */
function countOpen(rows: Rows) {
	const open = new Map<string, Processor>();
	for (const { payment } of rows.open(0, Number.MAX_SAFE_INTEGER, 1e9))
		if (payment.openAttempt !== 0 && payment.pin) open.set(payment.id, payment.pin.processor);
	return {
		set(id: string, processor: Processor | undefined) {
			if (processor) open.set(id, processor);
			else open.delete(id);
		},
		clear: () => open.clear(),
		over(max: number): Processor[] {
			const counts = { default: 0, fallback: 0 };
			for (const processor of open.values()) counts[processor]++;
			return (["default", "fallback"] as const).filter((processor) => counts[processor] > max);
		},
	};
}
