// What the cache relies on in any store where a payment's earlier life, or a person, meets somebody who works on it.
import { describe, expect, test } from "vitest";
import type { Job } from "../../../src/cache/store/store.ts";
import type { Resolution } from "../../../src/payment/life.ts";
import type { StoreUnderTest } from "./media.ts";
import { doubt, idOf, startUs } from "./payments.ts";
import { chargeOf, openScene, pursue, type Scene } from "./store-contract.ts";

async function purge(scene: Scene, waitMs = 0): Promise<void> {
	const purged = scene.store.purge(waitMs);
	await scene.clock.advance(waitMs + 10);
	await scene.now(purged);
}

export function testPurge(name: string, createUnder: () => StoreUnderTest): void {
	const open = (changed?: Parameters<typeof openScene>[1]) => openScene(createUnder(), changed);

	describe(`the store on ${name}: what a purge ends`, () => {
		test("nothing is pinned while a purge waits; an attempt that is open stays pinned", async () => {
			const scene = await open();
			await scene.accept(2);
			const [pinned, leased] = (await scene.lease(2)) as [Job, Job];
			await scene.pin(pinned);
			const purged = scene.store.purge(1_000);
			await scene.clock.advance(10);
			expect([await scene.pin(leased), await scene.pin(pinned)]).toEqual(["purging", "pinned"]);
			await scene.settle(pinned, await chargeOf(scene, 1));
			await scene.clock.advance(10);
			await scene.now(purged);
		});

		test("the bound on open attempts counts none of an earlier epoch", async () => {
			const scene = await open({ inFlightMax: 1 });
			await scene.accept(1);
			const [before] = (await scene.lease(1)) as [Job];
			await scene.pin(before);
			await purge(scene);
			// Nor does another purge wait for them.
			await scene.now(scene.store.purge(60_000));
			await scene.now(scene.store.enqueue([{ id: idOf(9), amountCents: 1n }]));
			const [job] = (await scene.lease(1)) as [Job];
			expect(await scene.pin(job)).toBe("pinned");
			expect(await scene.pin(job), "which is no second attempt").toBe("pinned");
			expect((await scene.now(scene.store.figures())).inFlight).toEqual({ default: 1, fallback: 0 });
		});

		test("a lease of an earlier epoch is good for nothing, though its payment was posted again and it is taken up", async () => {
			const scene = await open();
			await scene.accept(1);
			const [before] = (await scene.lease(1)) as [Job];
			await purge(scene);
			await scene.now(scene.store.enqueue([{ id: idOf(1), amountCents: 500n }]));
			await scene.lease(1, "b");
			// So that it is on disk that this one was given out, though not to whom; the epoch tells.
			await scene.now(scene.store.enqueue([{ id: idOf(2), amountCents: 1n }]));
			await scene.crash();
			expect(await scene.now(scene.store.reclaim("a", [before]))).toEqual([]);
			expect(await scene.pin(before)).toBe("fenced");
			expect(await scene.now(scene.store.release([{ ...before, result: "none" }]))).toEqual(["fenced"]);
			expect(await scene.state(1)).toBe("accepted");
		});

		test("a charge of an earlier epoch does not settle the payment that was posted again", async () => {
			const scene = await open();
			await scene.accept(1);
			const [before] = (await scene.lease(1)) as [Job];
			await scene.pin(before);
			const charge = await chargeOf(scene, 1);
			await purge(scene);
			await scene.accept(1);
			expect(await scene.settle(before, charge)).toBe("stale");
			expect(await scene.state(1)).toBe("in_doubt");
		});

		test("what came back to the queue before is not given out after", async () => {
			const scene = await open();
			await scene.accept(1);
			const [before] = (await scene.lease(1)) as [Job];
			await scene.now(scene.store.release([{ ...before, result: "none" }]));
			await purge(scene);
			await scene.now(scene.store.enqueue([{ id: idOf(9), amountCents: 9n }]));
			expect((await scene.lease(9)).map(({ id }) => id)).toEqual([idOf(9)]);
		});

		test("a payment that was kept and is posted again is due at once, though others in doubt are not", async () => {
			const scene = await open();
			await scene.accept(1);
			await scene.pin((await scene.lease(1))[0]!);
			await purge(scene);
			await scene.now(scene.store.enqueue([{ id: idOf(2), amountCents: 2n }]));
			const [other] = (await scene.lease(1)) as [Job];
			await scene.pin(other);
			await scene.now(scene.store.release([{ ...other, result: "unknown" }]));
			expect(scene.store.nextDueMs("default")).toBeGreaterThan(0);
			await scene.accept(1);
			expect(scene.store.nextDueMs("default")).toBe(0);
		});

		test("an id is kept for as long as it may have been charged: posted again and settled, it is forgotten like any other", async () => {
			const scene = await open();
			await scene.accept(1);
			const [before] = (await scene.lease(1)) as [Job];
			await scene.pin(before);
			await purge(scene);
			await scene.accept(1);
			const [job] = (await pursue(scene)) as [Job];
			expect(await scene.settle(job, await chargeOf(scene, 1))).toBe("settled");
			await purge(scene);
			await scene.accept(1);
			expect(await scene.state(1)).toBe("accepted");
		});
	});

	test(`the store on ${name}: of an attempt in doubt that a restart left open, none is counted; of the next one, one is`, async () => {
		const scene = await open();
		await scene.accept(1);
		const [first] = (await scene.lease(1)) as [Job];
		await scene.pin(first);
		await scene.now(scene.store.release([{ ...first, result: "unknown" }]));
		for (const crash of [false, true]) {
			if (crash) await scene.crash();
			await scene.clock.advance(doubt.pauseMaxMs);
			const [job] = (await pursue(scene)) as [Job];
			expect(await scene.pin(job)).toBe("pinned");
			expect((await scene.now(scene.store.figures())).inFlight).toEqual({ default: 1, fallback: 0 });
		}
	});

	describe(`the store on ${name}: a person decides on what somebody works on`, () => {
		test.each([
			["give_up", "fenced"],
			["settle", "fenced"],
			["retry", "released"],
		] as const)("after %s its lease is %s", async (decision, outcome) => {
			const scene = await open({ doubt: { ...doubt, parkAfterMs: 0 } });
			await scene.accept(1);
			const [first] = (await scene.lease(1)) as [Job];
			await scene.pin(first);
			await scene.now(scene.store.release([{ ...first, result: "unknown" }]));
			await scene.clock.advance(doubt.parkedPauseMs);
			const [job] = (await pursue(scene)) as [Job];
			const resolution: Resolution = { decision, who: "ops", why: "asked", atUs: startUs };
			const charge = decision === "settle" ? await chargeOf(scene, 1) : undefined;
			await scene.now(scene.store.resolve(idOf(1), resolution, charge));
			expect((await scene.now(scene.store.figures())).leased).toBe(outcome === "released" ? 1 : 0);
			expect(await scene.now(scene.store.release([{ ...job, result: "none" }]))).toEqual([outcome]);
		});
	});
}
