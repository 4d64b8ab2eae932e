// The serving side of a stream of batches: what its caller sees of order, windows, errors and ends.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { QueueService } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import { batchesMax } from "../../src/rpc/batch-server.ts";
import { acceptAll, batchRoutes, createHeld, type Handle, payment } from "./batch-lab.ts";
import { failure } from "./carrier-contract.ts";
import { connectMemory } from "./memory.ts";

function open(handle: Handle, closing?: AbortSignal) {
	const client = createClient(QueueService, connectMemory(batchRoutes(handle, closing)));
	const cut = new AbortController();
	let asked = 0;
	let wake = () => {};
	let more = true;
	const batches: { batch: number; payments: ReturnType<typeof payment>[] }[] = [];
	async function* requests() {
		for (;;) {
			const next = batches.shift();
			if (next) {
				asked++;
				yield next;
			} else if (!more) return;
			else
				await new Promise<void>((resolve) => {
					wake = resolve;
				});
		}
	}
	const answers = client.enqueueStream(requests(), { signal: cut.signal })[Symbol.asyncIterator]();
	return {
		answers,
		cut,
		asked: () => asked,
		send(batch: number, items = 1) {
			batches.push({ batch, payments: Array.from({ length: items }, (_, i) => payment(i)) });
			wake();
		},
		end() {
			more = false;
			wake();
		},
	};
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("batches are carried out at once, and answered as they are done", async () => {
	const held = createHeld();
	const stream = open(held.handle);
	const first = stream.answers.next();
	stream.send(1);
	stream.send(2, 3);
	await turn();
	expect(held.batches.map(({ amounts }) => amounts.length)).toEqual([1, 3]);
	held.batches[1]!.answer();
	expect((await first).value).toMatchObject({ batch: 2, outcomes: [1, 1, 1] });
	held.batches[0]!.answer();
	expect((await stream.answers.next()).value).toMatchObject({ batch: 1, outcomes: [1] });
	stream.end();
	expect((await stream.answers.next()).done).toBe(true);
});

test("a caller that has ended its stream still gets every answer", async () => {
	const held = createHeld();
	const stream = open(held.handle);
	const first = stream.answers.next();
	stream.send(1);
	stream.send(2);
	stream.end();
	await turn();
	for (const batch of held.batches) batch.answer();
	expect([(await first).value?.batch, (await stream.answers.next()).value?.batch]).toEqual([1, 2]);
	expect((await stream.answers.next()).done).toBe(true);
});

test("no more than the window is under way; the rest is left with its caller", async () => {
	const held = createHeld();
	const stream = open(held.handle);
	const first = stream.answers.next();
	for (let batch = 1; batch <= batchesMax + 20; batch++) stream.send(batch);
	for (let i = 0; i < 20; i++) await turn();
	expect(held.batches).toHaveLength(batchesMax);
	expect(stream.asked()).toBeLessThanOrEqual(batchesMax + 2);
	held.batches[0]!.answer();
	await first;
	void stream.answers.next().catch(() => {});
	await turn();
	expect(held.batches).toHaveLength(batchesMax + 1);
	stream.cut.abort();
});

test("a number that is under way already ends the stream as a wrong request", async () => {
	const stream = open(createHeld().handle);
	const next = failure(stream.answers.next());
	stream.send(7);
	stream.send(7);
	expect((await next).code).toBe(Code.InvalidArgument);
});

test("more items than the contract allows end the stream as a wrong request", async () => {
	const stream = open(acceptAll);
	const next = failure(stream.answers.next());
	stream.send(1, 1025);
	expect((await next).code).toBe(Code.InvalidArgument);
});

test("a failing handler ends the stream with its error, after the answers that are done", async () => {
	const held = createHeld();
	const stream = open(held.handle);
	const first = stream.answers.next();
	stream.send(1);
	stream.send(2);
	await turn();
	held.batches[0]!.answer();
	held.batches[1]!.fail(new ConnectError("the store has failed", Code.Unavailable));
	expect((await first).value?.batch).toBe(1);
	expect((await failure(stream.answers.next())).rawMessage).toBe("the store has failed");
});

test("a closing server answers what it has read, and then says why it ends", async () => {
	const held = createHeld();
	const closing = new AbortController();
	const stream = open(held.handle, closing.signal);
	const first = stream.answers.next();
	stream.send(1);
	await turn();
	closing.abort(new ConnectError("closing", Code.Unavailable));
	stream.send(2);
	await turn();
	held.batches[0]!.answer();
	expect((await first).value?.batch).toBe(1);
	expect((await failure(stream.answers.next())).rawMessage).toBe("closing");
	expect(held.batches).toHaveLength(1);
});

test("a server that is closing already says so at once", async () => {
	const held = createHeld();
	const stream = open(held.handle, AbortSignal.abort(new ConnectError("closing", Code.Unavailable)));
	stream.send(1);
	expect((await failure(stream.answers.next())).rawMessage).toBe("closing");
	expect(held.batches).toHaveLength(0);
});

test("a handler learns that its caller is gone", async () => {
	let seen: AbortSignal | undefined;
	const stream = open((_, { signal }) => {
		seen = signal;
		return new Promise(() => {});
	});
	const next = failure(stream.answers.next());
	stream.send(1);
	await turn();
	stream.cut.abort();
	expect((await next).code).toBe(Code.Canceled);
	expect(seen?.aborted).toBe(true);
});
