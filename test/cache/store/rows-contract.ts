// What the engine relies on in any medium that keeps its rows.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Due, Row, Rows } from "../../../src/cache/store/rows.ts";
import type { Window } from "../../../src/cache/store/store.ts";
import { eventTypes } from "../../../src/payment/event.ts";
import * as life from "../../../src/payment/life.ts";
import { type Processor, processors } from "../../../src/payment/payment.ts";
import type { Medium } from "./media.ts";
import { anyAmount, anyLife, anyProcessor, doubt, idOf, startUs } from "./payments.ts";

const everything = Number.MAX_SAFE_INTEGER;

/** One transaction, safe when it resolves. */
export async function change<T>(rows: Rows, run: () => T): Promise<T> {
	rows.begin();
	const result = run();
	rows.commit();
	await rows.sync();
	return result;
}

async function openAfterCrash(medium: Medium): Promise<Rows> {
	medium.crash();
	return medium.open();
}

export function testRows(name: string, createMedium: () => Medium): void {
	describe(`rows in ${name}`, () => {
		test("a payment keeps every field at each step of its life, over restarts and crashes", async () => {
			await fc.assert(
				fc.asyncProperty(fc.array(anyLife, { minLength: 1, maxLength: 8 }), async (lives) => {
					const medium = createMedium();
					let rows = await medium.open();
					const last: Row[] = [];
					await change(rows, () => {
						for (const [n, live] of lives.entries()) {
							const [first, ...later] = live(idOf(n));
							const { seq } = rows.insert(first as life.Payment);
							for (const payment of later) rows.update({ seq, payment });
							last.push({ seq, payment: later.at(-1) ?? (first as life.Payment) });
						}
					});
					for (const again of [() => rows, () => medium.reopen(), () => openAfterCrash(medium)]) {
						rows = await again();
						for (const row of last) expect(rows.get(row.payment.id)).toEqual(row);
					}
					const open = last.filter(({ payment }) => ["accepted", "in_flight"].includes(payment.state));
					expect(rows.open(0, everything, 100)).toEqual(open);
					const due = last.filter(({ payment }) => payment.dueAtMs !== undefined);
					due.sort((a, b) => a.payment.dueAtMs! - b.payment.dueAtMs!);
					for (const processor of processors) {
						const there = due.filter(({ payment }) => payment.pin?.processor === processor).map(dueAt);
						expect(rows.due(processor, everything, 100).map(({ dueAtMs }) => dueAtMs)).toEqual(there);
						expect(rows.dueLast(processor, 100).map(({ dueAtMs }) => dueAtMs)).toEqual(there.reverse());
					}
					expect(rows.parked(0, 100)).toEqual(last.filter(({ payment }) => payment.state === "parked"));
				}),
				{ numRuns: 25 },
			);
		});

		test("places in the order of acceptance are 1, 2, 3, and open payments come by place, in pages", async () => {
			const rows = await createMedium().open();
			await change(rows, () => {
				for (let n = 1; n <= 9; n++) expect(rows.insert(life.accept(idOf(n), 5n, startUs)).seq).toBe(n);
			});
			const seqs = (after: number, upTo: number, max: number) => rows.open(after, upTo, max).map(({ seq }) => seq);
			expect(seqs(0, everything, 3)).toEqual([1, 2, 3]);
			expect(seqs(3, 5, 10)).toEqual([4, 5]);
			expect(seqs(9, everything, 10)).toEqual([]);
			await change(rows, () => rows.update({ seq: 4, payment: settled(rows.get(idOf(4))!.payment) }));
			expect(seqs(3, 5, 10)).toEqual([5]);
			expect(rows.get(idOf(77))).toBeUndefined();
		});

		test("what is due comes the longest due first, and no more than asked for", async () => {
			const rows = await createMedium().open();
			const dueAt = [40, 10, 30, 20, 50];
			await change(rows, () => {
				for (const [n, ms] of dueAt.entries()) {
					const payment = life.acceptInDoubt(idOf(n), 5n, "default", startUs / 1000);
					rows.insert({ ...payment, dueAtMs: startUs / 1000 + ms + 0.5 });
				}
				rows.insert(life.accept(idOf(99), 5n, startUs));
			});
			const places = (found: readonly Due[]) => found.map(({ id }) => dueAt[rows.get(id)!.seq - 1]);
			const due = (ms: number, max: number) => places(rows.due("default", startUs / 1000 + ms, max));
			expect(due(30, 10)).toEqual([10, 20]);
			expect(due(100, 3)).toEqual([10, 20, 30]);
			expect(places(rows.dueLast("default", 2))).toEqual([50, 40]);
			expect([...rows.due("fallback", everything, 9), ...rows.dueLast("fallback", 9)]).toEqual([]);
		});

		test("what is in doubt and what is parked is due in one order, and of two at the same moment by place", async () => {
			const rows = await createMedium().open();
			await change(rows, () => {
				for (const [n, ms] of [30, 10, 20, 20, 20, 40, 10].entries()) {
					const payment = life.acceptInDoubt(idOf(n), 5n, "default", startUs / 1000);
					const state = n % 2 === 0 ? "parked" : "in_doubt";
					rows.insert({ ...payment, state, dueAtMs: startUs / 1000 + ms });
				}
			});
			const seqs = (found: readonly Due[]) => found.map(({ id }) => rows.get(id)!.seq);
			const order = [2, 7, 3, 4, 5, 1, 6];
			expect(seqs(rows.due("default", everything, 9))).toEqual(order);
			expect(seqs(rows.due("default", startUs / 1000 + 20, 4))).toEqual(order.slice(0, 4));
			expect(seqs(rows.dueLast("default", 9))).toEqual(order.toReversed());
			expect(seqs(rows.dueLast("default", 3))).toEqual([6, 1, 5]);
		});

		test("payments in doubt at one processor come the one due last first; those elsewhere or parked are not among them", async () => {
			const rows = await createMedium().open();
			await change(rows, () => {
				for (let n = 1; n <= 12; n++) {
					const payment = life.acceptInDoubt(idOf(n), 5n, n % 2 === 0 ? "default" : "fallback", startUs / 1000);
					rows.insert({
						...payment,
						...(n % 3 === 0 && { state: "parked" }),
						dueAtMs: startUs / 1000 + ((n * 5) % 13),
					});
				}
				rows.insert(life.accept(idOf(99), 5n, startUs));
			});
			const seqs = (processor: Processor, max: number) => rows.inDoubt(processor, max).map(({ seq }) => seq);
			expect(seqs("default", 9)).toEqual([10, 2, 4, 8]);
			expect(seqs("default", 2)).toEqual([10, 2]);
			expect(seqs("fallback", 9)).toEqual([5, 7, 1, 11]);
		});

		test("parked payments are listed by place, in pages; those in doubt are not among them", async () => {
			const rows = await createMedium().open();
			await change(rows, () => {
				for (let n = 1; n <= 6; n++) {
					const payment = life.acceptInDoubt(idOf(n), 5n, "fallback", startUs / 1000);
					// The later accepted, the sooner due: the order is another than that of what is due.
					rows.insert(n === 3 ? payment : { ...payment, state: "parked", dueAtMs: startUs / 1000 - n });
				}
			});
			const pages = (after: number) => rows.parked(after, 2).map(({ seq }) => seq);
			expect([pages(0), pages(2), pages(5), pages(6)]).toEqual([[1, 2], [4, 5], [6], []]);
		});

		test("marks, polls and health answers are kept over restarts, and starts are counted", async () => {
			const medium = createMedium();
			let rows = await medium.open();
			const boot = rows.marks.boot;
			const health = {
				processor: "fallback",
				reachable: true,
				failing: true,
				minResponseMs: 250,
				atUs: startUs,
			} as const;
			await change(rows, () => {
				Object.assign(rows.marks, {
					epoch: 9,
					doneUpTo: 3,
					leasedUpTo: 8,
					open: 5,
					inDoubt: 1,
					parked: 2,
					accepted: 17,
				});
				Object.assign(rows.marks, { settled: 9, flagged: 4, attempts: 21, retries: 6 });
				rows.savePollAtMs("default", 1234.5);
				rows.saveHealth(health);
				rows.saveHealth({ ...health, failing: false });
			});
			const marks = { ...rows.marks };
			for (const starts of [1, 2]) {
				if (starts === 2) medium.crash();
				rows = starts === 1 ? await medium.reopen() : await medium.open();
				expect(rows.marks).toEqual({ ...marks, boot: boot + starts });
				expect([rows.pollAtMs("default"), rows.pollAtMs("fallback")]).toEqual([1234.5, 0]);
				expect(rows.health()).toEqual([{ ...health, failing: false }]);
			}
		});

		test("forgetting leaves nothing but the ids that may have been charged, and where", async () => {
			const medium = createMedium();
			let rows = await medium.open();
			await change(rows, () => {
				const add = (n: number, make: (payment: life.Payment) => life.Payment) => {
					const row = rows.insert(life.accept(idOf(n), 100n, startUs));
					rows.update({ seq: row.seq, payment: make(row.payment) });
				};
				add(1, (payment) => payment);
				add(2, (payment) => settled(payment));
				add(3, (payment) => life.pin(payment, "fallback", 7, startUs / 1000)!);
				add(4, (payment) => inDoubt(payment, "default"));
				add(5, (payment) => ({ ...inDoubt(payment, "fallback"), state: "parked" }));
				add(6, (payment) => givenUp(inDoubt(payment, "default")));
				rows.marks.leasedUpTo = 6;
				rows.book({ processor: "default", amountCents: 100n, requestedAtUs: startUs });
			});
			const forget = () => {
				// Booked in the very transaction that forgets.
				rows.book({ processor: "default", amountCents: 100n, requestedAtUs: startUs });
				return rows.forgetAll();
			};
			expect(await change(rows, forget)).toEqual({ forgotten: 6, keptInDoubt: 4 });
			rows = await medium.reopen();
			for (let n = 1; n <= 6; n++) expect(rows.get(idOf(n))).toBeUndefined();
			const kept = [1, 2, 3, 4, 5, 6].map((n) => rows.forgotten(idOf(n)));
			expect(kept).toEqual([undefined, undefined, "fallback", "default", "fallback", "default"]);
			expect([rows.open(0, everything, 9), rows.parked(0, 9)]).toEqual([[], []]);
			for (const processor of processors)
				expect([rows.due(processor, everything, 9), rows.dueLast(processor, 9)]).toEqual([[], []]);
			expect(rows.summary({}).totals.default).toEqual({ count: 0n, amountCents: 0n });
			await change(rows, () => rows.dropForgotten(idOf(3)));
			expect(rows.forgotten(idOf(3))).toBeUndefined();
			expect(await change(rows, () => rows.insert(life.accept(idOf(3), 1n, startUs)).seq)).toBe(1);
			expect(await change(rows, () => rows.forgetAll())).toEqual({ forgotten: 1, keptInDoubt: 0 });
		});

		test("events stand in the outbox by number, over restarts, crashes and purges, until they are forgotten", async () => {
			const medium = createMedium();
			let rows = await medium.open();
			const events = eventTypes.map((type, i) => ({ seq: i + 1, type, paymentId: idOf(i), timeUs: startUs + i }));
			const last = { ...events[0]!, seq: 4 };
			await change(rows, () => {
				for (const event of [...events, last]) rows.announce(event);
				rows.marks.eventSeq = 4;
			});
			await change(rows, () => rows.forgetAll());
			const { storeId } = rows;
			for (const again of [() => rows, () => medium.reopen(), () => openAfterCrash(medium)]) {
				rows = await again();
				expect(rows.outbox(0, everything, 9)).toEqual([...events, last]);
				expect(rows.outbox(1, 3, 9)).toEqual(events.slice(1));
				expect(rows.outbox(0, everything, 2)).toEqual(events.slice(0, 2));
				expect(rows.storeId).toBe(storeId);
			}
			await change(rows, () => {
				rows.forgetEvents(3);
				rows.marks.eventsForgotten = 3;
			});
			rows = await medium.reopen();
			expect(rows.outbox(0, everything, 9)).toEqual([last]);
			expect(rows.marks).toMatchObject({ eventSeq: 4, eventsForgotten: 3 });
			const other = await createMedium().open();
			expect([storeId, other.storeId]).toEqual([
				expect.stringMatching(/^[0-9a-f]{32}$/),
				expect.not.stringMatching(storeId),
			]);
		});

		test("the totals of any window are the sums of its charges, to the microsecond, with both bounds included", async () => {
			// Close together, far apart, and at the very edges of buckets.
			const anyUs = fc.oneof(
				fc.nat(9).map((us) => startUs + us),
				fc.nat(50_000_000).map((us) => startUs + us),
				fc.tuple(fc.constantFrom(12, 18, 24, 30, 36, 42), fc.integer({ min: -1, max: 1 }), fc.nat(3)).map(edge),
				fc.constantFrom(0, everything),
			);
			const anyCharge = fc.record({ processor: anyProcessor, amountCents: anyAmount, requestedAtUs: anyUs });
			const anyBound = fc.option(anyUs, { nil: undefined });
			await fc.assert(
				fc.asyncProperty(
					fc.array(fc.array(anyCharge, { maxLength: 20 }), { maxLength: 4 }),
					fc.array(fc.tuple(anyBound, anyBound), { minLength: 1, maxLength: 20 }),
					async (commits, windows) => {
						const medium = createMedium();
						const rows = await medium.open();
						for (const charges of commits)
							await change(rows, () => {
								for (const charge of charges) rows.book(charge);
							});
						const charges = commits.flat();
						for (const [fromUs, toUs] of windows) {
							const window = { ...(fromUs !== undefined && { fromUs }), ...(toUs !== undefined && { toUs }) };
							expect(rows.summary(window).totals).toEqual(naive(charges, window));
						}
					},
				),
				{ numRuns: 40 },
			);
		});

		test("a total stays exact beyond 2^53 cents, and beyond 2^63", async () => {
			const medium = createMedium();
			let rows = await medium.open();
			const big = 2n ** 62n + 12_345_678_901n;
			for (let n = 1n; n <= 5n; n++) {
				await change(rows, () =>
					rows.book({ processor: "default", amountCents: big, requestedAtUs: startUs + Number(n) }),
				);
				await change(rows, () =>
					rows.book({ processor: "fallback", amountCents: 2n ** 52n + 1n, requestedAtUs: startUs }),
				);
				rows = await medium.reopen();
				expect(rows.summary({}).totals.default).toEqual({ count: n, amountCents: n * big });
				expect(rows.summary({}).totals.fallback).toEqual({ count: n, amountCents: n * (2n ** 52n + 1n) });
			}
		});
	});
}

interface Charged {
	readonly processor: Processor;
	readonly amountCents: bigint;
	readonly requestedAtUs: number;
}

function naive(charges: readonly Charged[], { fromUs = 0, toUs = everything }: Window) {
	const totals = processors.map((processor) => {
		const within = charges.filter((charge) => {
			return charge.processor === processor && charge.requestedAtUs >= fromUs && charge.requestedAtUs <= toUs;
		});
		const amountCents = within.reduce((sum, charge) => sum + charge.amountCents, 0n);
		return [processor, { count: BigInt(within.length), amountCents }];
	});
	return Object.fromEntries(totals);
}

/** Beside the start of a bucket of this width. */
function edge([shift, beside, n]: readonly [number, number, number]): number {
	return (Math.floor(startUs / 2 ** shift) + n) * 2 ** shift + beside;
}

const dueAt = ({ payment }: Row): number | undefined => payment.dueAtMs;

function settled(payment: life.Payment): life.Payment {
	const pinned = life.pin(payment, "default", 5, startUs / 1000)!;
	const done = life.settle(pinned, { ...pinned.pin!, amountCents: payment.amountCents }, startUs);
	if (!("payment" in done)) throw new Error("not settled");
	return done.payment;
}

function inDoubt(payment: life.Payment, processor: Processor): life.Payment {
	const moment = { nowMs: startUs / 1000, random: 0.5 };
	return life.release(life.pin(payment, processor, 5, moment.nowMs)!, 5, "unknown", moment, doubt);
}

function givenUp(payment: life.Payment): life.Payment {
	const resolution = { decision: "give_up", who: "an operator", why: "refunded", atUs: startUs } as const;
	return life.resolve({ ...payment, state: "parked" }, resolution, undefined)!;
}
