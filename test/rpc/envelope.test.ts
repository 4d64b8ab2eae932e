// Envelopes of a stream, however the socket cuts them; and the inbox between a socket and its reader.
import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createEnvelopeReader, encodeEnvelope } from "../../src/rpc/envelope.ts";
import { createInbox } from "../../src/rpc/inbox.ts";

test("messages come out as they went in, wherever the bytes between are cut", () => {
	const message = fc.record({ flags: fc.constantFrom(0, 2), data: fc.uint8Array({ maxLength: 40 }) });
	fc.assert(
		fc.property(fc.array(message, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 50 })), (messages, cuts) => {
			const bytes = Buffer.concat(messages.map(({ flags, data }) => encodeEnvelope(flags, data)));
			const read: { flags: number; data: Uint8Array }[] = [];
			const envelopes = createEnvelopeReader(
				64,
				(flags, data) => void read.push({ flags, data: Uint8Array.from(data) }),
			);
			let at = 0;
			for (const cut of [...cuts, bytes.length]) {
				envelopes.read(bytes.subarray(at, at + cut));
				at += cut;
			}
			expect(read).toEqual(messages);
			expect(envelopes.cut).toBe(false);
		}),
	);
});

test("a message that announces too much is refused before it has come, and half a message is noticed", () => {
	const envelopes = createEnvelopeReader(8, () => {});
	envelopes.read(encodeEnvelope(0, new Uint8Array(8)).subarray(0, 7));
	expect(envelopes.cut).toBe(true);
	const large = encodeEnvelope(0, new Uint8Array(9)).subarray(0, 5);
	expect(() => createEnvelopeReader(8, () => {}).read(large)).toThrow(
		expect.objectContaining({ code: Code.ResourceExhausted }),
	);
});

test("a reader gets what came before the end or the error, then that; a slow one holds the source up", async () => {
	const held: boolean[] = [];
	const inbox = createInbox<number>({ waitingMax: 2, hold: (now) => held.push(now), onLeft: () => {} });
	const it = inbox[Symbol.asyncIterator]();
	for (const n of [1, 2, 3]) inbox.push(n);
	inbox.fail(new Error("cut"));
	inbox.push(4);
	expect(held).toEqual([true]);
	for (const value of [1, 2, 3]) expect(await it.next()).toEqual({ done: false, value });
	expect(held).toEqual([true, false]);
	await expect(it.next()).rejects.toThrow("cut");
	expect(await it.next()).toEqual({ done: true, value: undefined });
});

test("a reader that leaves lets the source know, and gets nothing more", async () => {
	let left = false;
	const inbox = createInbox<number>({ waitingMax: 2, hold: () => {}, onLeft: () => (left = true) });
	const it = inbox[Symbol.asyncIterator]();
	inbox.push(1);
	await it.return?.();
	inbox.push(2);
	expect(left).toBe(true);
	expect(await it.next()).toEqual({ done: true, value: undefined });
});

test("after a bad envelope nothing is kept of what still comes, and nothing is made of it", () => {
	const good = encodeEnvelope(0, new Uint8Array(2));
	const refuse = (flags: number) => {
		if (flags !== 0) throw new Error("refused");
	};
	for (const bad of [encodeEnvelope(0, new Uint8Array(9)), encodeEnvelope(1, new Uint8Array(2))]) {
		let seen = 0;
		const envelopes = createEnvelopeReader(8, (flags) => {
			seen++;
			refuse(flags);
		});
		expect(() => envelopes.read(Buffer.concat([good, bad, good]))).toThrow();
		const before = seen;
		for (const chunk of [good, bad, good.subarray(0, 3)]) envelopes.read(chunk);
		expect(seen).toBe(before);
		expect(envelopes.cut).toBe(false);
	}
});
