// Calls over a stream of batches: how they are coalesced, bounded, repeated and given up, in simulated time.
import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EnqueueOutcome } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import { acceptAll, createBatchLab, createHeld, payment } from "./batch-lab.ts";
import { failure } from "./carrier-contract.ts";

/** Noted at once, so that a rejection before the test asks for it is not unhandled. */
function fails(call: Promise<unknown>) {
	const error = failure(call);
	error.catch(() => {});
	return error;
}

describe("coalescing", () => {
	test("calls of one turn travel together, and each gets its own outcome", async () => {
		const sizes: number[] = [];
		const lab = createBatchLab(async (items) => {
			sizes.push(items.length);
			return items.map(({ amountCents }) => (amountCents % 2n ? EnqueueOutcome.ACCEPTED : EnqueueOutcome.REPEATED));
		});
		await lab.clock.settle();
		const outcomes = await Promise.all([1, 2, 3, 4, 5].map((n) => lab.client.call(payment(n))));
		expect(outcomes).toEqual([1, 2, 1, 2, 1]);
		expect(sizes).toEqual([5]);
		await lab.client.close(0);
		expect(lab.clock.pending()).toBe(0);
	});

	test("while the window is full, what is called waits for the next batch; answers may come in any order", async () => {
		const held = createHeld();
		const lab = createBatchLab(held.handle, { windowMax: 2, batchMax: 3 });
		const calls: Promise<number>[] = [];
		for (const n of [1, 2, 3, 4, 5, 6]) {
			calls.push(lab.client.call(payment(n)));
			await lab.clock.settle();
		}
		expect(held.batches.map(({ amounts }) => amounts)).toEqual([[1], [2]]);
		held.batches[1]!.answer(EnqueueOutcome.CONFLICT);
		expect(await calls[1]).toBe(EnqueueOutcome.CONFLICT);
		await lab.clock.settle();
		expect(held.batches.map(({ amounts }) => amounts)).toEqual([[1], [2], [3, 4, 5]]);
		held.batches[0]!.answer();
		await lab.clock.settle();
		expect(held.batches[3]!.amounts).toEqual([6]);
		for (const batch of held.batches) batch.answer();
		await Promise.all(calls);
		await lab.client.close(0);
	});
});

describe("bounds", () => {
	test("a call beyond the bound is rejected at once and was not sent; a slow server fills no more than that", async () => {
		const held = createHeld();
		const lab = createBatchLab(held.handle, { windowMax: 1, batchMax: 2, pendingMax: 3 });
		await lab.clock.settle();
		const first = [1, 2].map((n) => lab.client.call(payment(n)));
		await lab.clock.settle();
		const waiting = [3, 4, 5].map((n) => lab.client.call(payment(n)));
		const error = await failure(lab.client.call(payment(6)));
		expect(error.code).toBe(Code.ResourceExhausted);
		expect(lab.client.figures().waiting).toBe(3);
		expect(held.batches.map(({ amounts }) => amounts)).toEqual([[1, 2]]);
		while (held.batches.length > 0) {
			held.batches.shift()!.answer();
			await lab.clock.settle();
		}
		await Promise.all([...first, ...waiting]);
		await lab.client.close(0);
	});

	test("a call that waited in vain leaves its place to others", async () => {
		const held = createHeld();
		const lab = createBatchLab(held.handle, { windowMax: 1, batchMax: 1, pendingMax: 1, deadlineMs: 5000 });
		const sent = fails(lab.client.call(payment(1)));
		await lab.clock.settle();
		const late = fails(lab.client.call(payment(2), { deadlineMs: 50 }));
		await lab.clock.advance(100);
		expect((await late).code).toBe(Code.Unavailable);
		const other = lab.client.call(payment(3));
		held.batches[0]!.answer();
		await lab.clock.settle();
		expect(held.batches[1]!.amounts).toEqual([3]);
		held.batches[1]!.answer();
		await other;
		await expect(sent).rejects.toThrow("succeeded");
		await lab.client.close(0);
	});
});

describe("deadlines", () => {
	test("a server that hangs costs a caller no more than its deadline", async () => {
		const lab = createBatchLab(createHeld().handle);
		await lab.clock.settle();
		const [short, long] = [50, 400].map((deadlineMs) => fails(lab.client.call(payment(1), { deadlineMs })));
		await lab.clock.advance(80);
		const error = await short!;
		expect(error.code).toBe(Code.DeadlineExceeded);
		expect(lab.clock.pending()).toBeGreaterThan(0);
		await lab.clock.advance(400);
		expect((await long!).code).toBe(Code.DeadlineExceeded);
		await lab.client.close(0);
		expect(lab.clock.pending()).toBe(0);
	});

	test("never early, at most two ticks late, whatever the deadlines", async () => {
		const deadlines = fc.array(fc.integer({ min: 1, max: 6000 }), { minLength: 1, maxLength: 12 });
		await fc.assert(
			fc.asyncProperty(deadlines, async (all) => {
				const lab = createBatchLab(createHeld().handle, { tickMs: 10 });
				await lab.clock.settle();
				const tookMs = all.map(() => 0);
				all.forEach((deadlineMs, i) => {
					void fails(lab.client.call(payment(i), { deadlineMs })).then(() => {
						tookMs[i] = lab.clock.monotonic();
					});
				});
				await lab.clock.advance(6100);
				all.forEach((deadlineMs, i) => {
					expect(tookMs[i]).toBeGreaterThanOrEqual(deadlineMs);
					expect(tookMs[i]).toBeLessThanOrEqual(deadlineMs + 20);
				});
				await lab.client.close(0);
			}),
			{ numRuns: 15 },
		);
	});

	test("a caller that gives up is let go at once, and its place is free", async () => {
		const lab = createBatchLab(createHeld().handle, { windowMax: 1 });
		await lab.clock.settle();
		const given = new AbortController();
		const sent = fails(lab.client.call(payment(1), { signal: given.signal }));
		await lab.clock.settle();
		const waits = fails(lab.client.call(payment(2), { signal: given.signal }));
		given.abort();
		expect([(await sent).code, (await waits).code]).toEqual([Code.Canceled, Code.Canceled]);
		expect(lab.client.figures().waiting).toBe(0);
		await lab.client.close(0);
	});
});

describe("cut streams", () => {
	test("what was not answered when the stream broke is sent again, in order, and before what came later", async () => {
		const held = createHeld();
		const lab = createBatchLab(held.handle, { windowMax: 2, batchMax: 2, deadlineMs: 60_000 });
		await lab.clock.settle();
		const calls = [1, 2, 3, 4, 5].map((n) => lab.client.call(payment(n)));
		await lab.clock.settle();
		expect(held.batches.map(({ amounts }) => amounts)).toEqual([
			[1, 2],
			[3, 4],
		]);
		lab.cut(true);
		await lab.clock.advance(1000);
		lab.back();
		held.batches.length = 0;
		await lab.clock.advance(1000);
		expect(held.batches.map(({ amounts }) => amounts)).toEqual([
			[1, 2],
			[3, 4],
		]);
		for (const batch of held.batches) batch.answer();
		await lab.clock.settle();
		held.batches[2]!.answer();
		expect(await Promise.all(calls)).toEqual([1, 1, 1, 1, 1]);
		expect(lab.client.figures()).toMatchObject({ itemsRepeated: 4, downMs: 0 });
		await lab.client.close(0);
	});

	test("what was sent into a cut and never answered is told from what was never sent", async () => {
		const held = createHeld();
		const lab = createBatchLab(held.handle, { windowMax: 1, batchMax: 1 });
		await lab.clock.settle();
		const [sent, unsent] = [1, 2].map((n) => fails(lab.client.call(payment(n), { deadlineMs: 300 })));
		await lab.clock.settle();
		lab.cut(true);
		await lab.clock.advance(400);
		expect(await sent!).toMatchObject({
			code: Code.Unavailable,
			rawMessage: "the server went away before it answered",
		});
		expect(await unsent!).toMatchObject({ code: Code.Unavailable });
		expect((await unsent!).rawMessage).toContain("nothing was sent");
		expect((await sent!).cause).toMatchObject({ rawMessage: "connection refused" });
		await lab.client.close(0);
	});

	test("the pauses between attempts grow to their bound, and no attempt is made in between", async () => {
		const lab = createBatchLab(acceptAll, { backoffMinMs: 10, backoffMaxMs: 100 });
		await lab.clock.settle();
		lab.cut(true);
		await lab.clock.advance(10_000);
		expect(lab.opened()).toBeGreaterThan(90);
		expect(lab.opened()).toBeLessThan(120);
		await lab.client.close(0);
	});

	test("while the server is away calls are rejected at once, and the first that gets through ends that", async () => {
		const lab = createBatchLab(acceptAll, { failFastMs: 200, deadlineMs: 100, backoffMaxMs: 50 });
		await lab.client.call(payment(1));
		lab.cut(true);
		const early = fails(lab.client.call(payment(2)));
		await lab.clock.advance(300);
		expect((await early).code).toBe(Code.Unavailable);
		const refused = await failure(lab.client.call(payment(3)));
		expect(refused.code).toBe(Code.Unavailable);
		expect(refused.rawMessage).toContain("away");
		lab.back();
		await lab.clock.advance(50);
		const probe = lab.client.call(payment(4));
		expect((await failure(lab.client.call(payment(5)))).code).toBe(Code.Unavailable);
		expect(await probe).toBe(EnqueueOutcome.ACCEPTED);
		await Promise.all([6, 7].map((n) => lab.client.call(payment(n))));
		await lab.client.close(0);
	});

	test("an idle client counts its server as up again once its stream has stood for a while", async () => {
		const lab = createBatchLab(acceptAll, { failFastMs: 200, steadyMs: 500, backoffMaxMs: 50 });
		await lab.clock.settle();
		lab.cut(true);
		await lab.clock.advance(300);
		lab.back();
		await lab.clock.advance(600);
		expect(lab.client.figures().downMs).toBe(0);
		await Promise.all([1, 2, 3].map((n) => lab.client.call(payment(n))));
		await lab.client.close(0);
	});

	test("a server that takes calls and answers none is gone once, and not back for as long as a stream to it stands", async () => {
		const held = createHeld();
		const lab = createBatchLab(held.handle, { stallMs: 500, steadyMs: 300, backoffMaxMs: 50 });
		await lab.clock.settle();
		for (let n = 0; n < 30; n++) {
			lab.client.call(payment(n), { deadlineMs: 80 }).catch(() => {});
			await lab.clock.settle();
			await lab.clock.advance(100);
		}
		expect(lab.breaks).toHaveLength(1);
		expect(lab.awayMs).toEqual([]);
		await lab.client.close(0);
	});

	test("that the server is gone, and that it is back, is told of once each, however many calls there are meanwhile", async () => {
		const lab = createBatchLab(acceptAll);
		await lab.clock.settle();
		await lab.client.call(payment(1));
		expect(lab.awayMs).toEqual([]);
		lab.cut(true);
		await lab.clock.advance(500);
		const calls = [2, 3, 4].map((n) => lab.client.call(payment(n)));
		lab.back();
		await lab.clock.advance(200);
		await Promise.all(calls);
		await lab.client.call(payment(5));
		expect(lab.breaks).toHaveLength(1);
		expect(lab.awayMs).toHaveLength(1);
		expect(lab.awayMs[0]).toBeGreaterThanOrEqual(500);
		await lab.client.close(0);
	});

	test("a stream on which no answers come is given up for a new one", async () => {
		const held = createHeld();
		const lab = createBatchLab(held.handle, { stallMs: 2000, deadlineMs: 60_000 });
		await lab.clock.settle();
		const call = lab.client.call(payment(1));
		await lab.clock.advance(2500);
		expect(lab.breaks.map(({ rawMessage }) => rawMessage)).toEqual(["no answers come"]);
		held.batches.at(-1)!.answer();
		expect(held.batches).toHaveLength(2);
		expect(await call).toBe(EnqueueOutcome.ACCEPTED);
		await lab.client.close(0);
	});

	test("an item that the server refuses takes no other down with it", async () => {
		const lab = createBatchLab(async (items) => {
			if (items.some(({ amountCents }) => amountCents === 13n))
				throw new ConnectError("13 is bad", Code.InvalidArgument);
			return items.map(() => EnqueueOutcome.ACCEPTED);
		});
		await lab.clock.settle();
		const calls = [11, 12, 13, 14, 15].map((n) =>
			lab.client.call(payment(n)).catch((error) => (error as ConnectError).code),
		);
		await lab.clock.advance(900);
		expect(await Promise.all(calls)).toEqual([1, 1, Code.InvalidArgument, 1, 1]);
		expect(await lab.client.call(payment(16))).toBe(1);
		await lab.client.close(0);
	});

	test("an item that cannot be encoded fails alone, at once, and takes no other down with it", async () => {
		const lab = createBatchLab(acceptAll);
		await lab.clock.settle();
		const tooLarge = { ...payment(2), amountCents: 2n ** 63n };
		const calls = [payment(1), tooLarge, payment(3)].map((item) =>
			lab.client.call(item).catch((error: ConnectError) => error.code),
		);
		await lab.clock.advance(200);
		expect(await Promise.all(calls)).toEqual([1, Code.InvalidArgument, 1]);
		expect(await lab.client.call(payment(4))).toBe(1);
		await lab.client.close(0);
		expect(lab.clock.pending()).toBe(0);
	});

	test("wherever the stream is cut, each call ends: answered, or by its deadline", async () => {
		const steps = fc.array(fc.constantFrom("call", "cut", "away", "back", "answer", "wait"), { maxLength: 40 });
		await fc.assert(
			fc.asyncProperty(steps, async (script) => {
				const held = createHeld();
				const lab = createBatchLab(held.handle, { windowMax: 2, batchMax: 2, pendingMax: 6, failFastMs: 300 });
				let open = 0;
				for (const [n, step] of script.entries()) {
					if (step === "call") {
						open++;
						lab.client.call(payment(n)).then(
							() => open--,
							() => open--,
						);
					} else if (step === "cut") lab.cut();
					else if (step === "away") lab.cut(true);
					else if (step === "back") lab.back();
					else if (step === "answer") held.batches.shift()?.answer();
					else await lab.clock.advance(120);
					await lab.clock.settle();
				}
				await lab.clock.advance(1100);
				expect(open).toBe(0);
				expect(lab.client.figures().waiting).toBe(0);
				await lab.client.close(0);
				expect(lab.clock.pending()).toBe(0);
			}),
			{ numRuns: 60 },
		);
	});
});

describe("closing", () => {
	test("what is under way is answered before the client has closed, and nothing more is taken", async () => {
		const held = createHeld();
		const lab = createBatchLab(held.handle);
		await lab.clock.settle();
		const call = lab.client.call(payment(1));
		await lab.clock.settle();
		const closed = lab.client.close(1000);
		expect((await failure(lab.client.call(payment(2)))).code).toBe(Code.Unavailable);
		held.batches[0]!.answer();
		expect(await call).toBe(1);
		await closed;
		expect(lab.clock.pending()).toBe(0);
	});

	test("a server that hangs does not hold up closing beyond its bound", async () => {
		const lab = createBatchLab(createHeld().handle, { deadlineMs: 60_000 });
		await lab.clock.settle();
		const call = fails(lab.client.call(payment(1)));
		await lab.clock.settle();
		const closed = lab.client.close(1000);
		await lab.clock.advance(1000);
		await closed;
		expect((await call).code).toBe(Code.Unavailable);
		expect(lab.clock.pending()).toBe(0);
	});
});
