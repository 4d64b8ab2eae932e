import { expect, test } from "vitest";
import { createChannel } from "../../src/consumer/channel.ts";

test("what is sent comes out in order, and the takers end when it is closed and empty", async () => {
	const channel = createChannel<number>(3);
	for (const n of [1, 2, 3]) expect(channel.offer(n)).toBe(true);
	channel.close();
	const taken: number[] = [];
	for await (const n of channel) taken.push(n);
	expect(taken).toEqual([1, 2, 3]);
	expect(channel.offer(4)).toBe(false);
	expect(await channel.send(4)).toBe(false);
});

test("a full channel makes its sender wait until there is room", async () => {
	const channel = createChannel<number>(1);
	expect(channel.offer(1)).toBe(true);
	expect(channel.offer(2)).toBe(false);
	let sent = false;
	const sending = channel.send(2).then((ok) => {
		sent = ok;
	});
	await Promise.resolve();
	expect(sent).toBe(false);
	const takes = channel[Symbol.asyncIterator]();
	expect((await takes.next()).value).toBe(1);
	await sending;
	expect(sent).toBe(true);
	expect((await takes.next()).value).toBe(2);
});

test("closing wakes takers and senders that wait", async () => {
	const empty = createChannel<number>(1);
	const taking = empty[Symbol.asyncIterator]().next();
	empty.close();
	expect(await taking).toEqual({ done: true, value: undefined });
	const full = createChannel<number>(1);
	full.offer(1);
	const sending = full.send(2);
	full.close();
	expect(await sending).toBe(false);
});
