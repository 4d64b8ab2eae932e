// What a session's stream and its renewals mean for what it holds.
import { expect, test } from "vitest";
import { Processor } from "../../src/gen/payrelay/v1/payment_pb.ts";
import { AttemptResult } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import { createCacheLab, follow } from "./cache-lab.ts";
import { storeSettings } from "./dispatch-lab.ts";

const id = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
/** Half a lease, which is longer than consumers have to come back. */
const graceMs = storeSettings.leaseMs / 2;

/** A consumer with one job. */
async function setup() {
	const lab = createCacheLab({ settings: { reclaimMs: 1_000 } });
	const { queue, stats, done, clock } = lab;
	const connect = (held: { id: string; token: bigint }[] = []) => {
		const controller = new AbortController();
		const request = { sessionId: "a", credit: 10, pursuitCredit: 10, held };
		const stream = follow(queue.dequeueBatch(request, { signal: controller.signal }));
		return { stream, cut: () => controller.abort() };
	};
	await done(queue.enqueue({ id, amountCents: 5n }));
	const { stream, cut } = connect();
	await clock.advance(1);
	const [job] = stream.items.flatMap(({ jobs }) => jobs);
	const held = [{ id, token: job!.token }];
	const leased = async () => Number((await done(stats.figures({}))).leased);
	/** Of the tokens that it had, those that it has no more; the job may have been given to it anew. */
	const lost = async () => {
		return (await done(queue.renew({ sessionId: "a", tokens: held.map(({ token }) => token) }))).lost.length;
	};
	return { ...lab, connect, cut, held, leased, lost };
}

test("what a consumer held whose stream has ended goes on to others before its lease runs out", async () => {
	const { cut, clock, leased } = await setup();
	cut();
	await clock.advance(graceMs - 100);
	expect(await leased()).toBe(1);
	await clock.advance(200);
	expect(await leased()).toBe(0);
});

test("one that renews a lease meanwhile, or connects again, keeps it", async () => {
	for (const how of ["renews", "connects"]) {
		const { cut, clock, connect, held, lost } = await setup();
		cut();
		await clock.advance(graceMs - 100);
		if (how === "connects") connect(held);
		else expect(await lost()).toBe(0);
		await clock.advance(graceMs - 100);
		expect(await lost(), how).toBe(0);
	}
});

test("a stream whose place another one took says nothing of its consumer", async () => {
	const { clock, connect, held, lost } = await setup();
	connect(held);
	await clock.advance(graceMs + 100);
	expect(await lost()).toBe(0);
});

test("who asks for one job gets what is in doubt and due before what is fresh", async () => {
	const { queue, done, clock } = createCacheLab();
	const [doubtful, fresh] = [1, 2].map((n) => `${id.slice(0, -1)}${n}`) as [string, string];
	await done(queue.enqueue({ id: doubtful, amountCents: 5n }));
	const { job } = await done(queue.dequeue({ sessionId: "a" }));
	const { token, epoch } = job!;
	await done(queue.pin({ id: doubtful, token, epoch, processor: Processor.FALLBACK }));
	await done(queue.release({ id: doubtful, token, epoch, result: AttemptResult.UNKNOWN }));
	await done(queue.enqueue({ id: fresh, amountCents: 5n }));
	await clock.advance(storeSettings.doubt.pauseMinMs);
	const ids = [];
	for (let n = 0; n < 2; n++) ids.push((await done(queue.dequeue({ sessionId: "a" }))).job?.id);
	expect(ids).toEqual([doubtful, fresh]);
});

test("a consumer gets no more payments that had an attempt than it asked for; where it says nothing, all of them", async () => {
	const { queue, done, clock } = createCacheLab();
	const ids = [1, 2, 3].map((n) => `${id.slice(0, -1)}${n}`);
	const taken = [];
	for (const each of ids) {
		await done(queue.enqueue({ id: each, amountCents: 5n }));
		const { job } = await done(queue.dequeue({ sessionId: "b" }));
		const { token, epoch } = job!;
		await done(queue.pin({ id: each, token, epoch, processor: Processor.DEFAULT }));
		taken.push({ id: each, token, epoch, result: AttemptResult.NOT_CHARGED });
	}
	for (const each of taken) await done(queue.release(each));
	const jobs = async (sessionId: string, retryCredit: number) => {
		const stream = follow(queue.dequeueBatch({ sessionId, credit: 10, retryCredit }));
		await clock.advance(50);
		return stream.items.flatMap((message) => message.jobs).length;
	};
	expect([await jobs("a", 1), await jobs("c", 0)]).toEqual([1, 2]);
});
