import { expect, test } from "vitest";
import { createChannel } from "../../src/consumer/channel.ts";

test("what is put in comes out in order, and the takers end when it is closed and empty", async () => {
	const channel = createChannel<number>(3);
	for (const n of [1, 2, 3]) expect(channel.offer(n)).toBe(true);
	channel.close();
	const taken: number[] = [];
	for await (const n of channel) taken.push(n);
	expect(taken).toEqual([1, 2, 3]);
	expect(channel.offer(4)).toBe(false);
});

test("a full channel takes nothing more until an item is taken out", async () => {
	const channel = createChannel<number>(1);
	expect(channel.offer(1)).toBe(true);
	expect(channel.offer(2)).toBe(false);
	const takes = channel[Symbol.asyncIterator]();
	expect((await takes.next()).value).toBe(1);
	expect(channel.offer(2)).toBe(true);
	expect((await takes.next()).value).toBe(2);
});

test("closing wakes takers that wait", async () => {
	const empty = createChannel<number>(1);
	const taking = empty[Symbol.asyncIterator]().next();
	empty.close();
	expect(await taking).toEqual({ done: true, value: undefined });
});
