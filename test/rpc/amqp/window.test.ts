// How much of a stream is on its way: bounded, and never so that both of its sides wait.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSendWindow, exceedsWindow } from "../../../src/rpc/amqp/window.ts";

const windowBytes = 1000;

describe("a window", () => {
	test("lets every stream through, whatever its messages' sizes and however its reader reads", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(fc.integer({ min: 1, max: 3 * windowBytes }), { minLength: 1, maxLength: 60 }),
				fc.infiniteStream(fc.boolean()),
				async (sizes, reads) => {
					const window = createSendWindow(windowBytes);
					const inbox: number[] = [];
					let unread = 0;
					let unreported = 0;
					let sent = 0;
					const sender = (async () => {
						for (const size of sizes) {
							await window.take(size);
							inbox.push(size);
							unread += size;
							sent++;
							// Its reader must never take an honest sender for one that exceeds its window.
							expect(exceedsWindow(windowBytes, unread, size)).toBe(false);
							expect(unread).toBeLessThanOrEqual(Math.max(windowBytes, windowBytes / 2 + size));
						}
					})();
					for (let idle = 0; sent < sizes.length || inbox.length > 0; idle++) {
						await Promise.resolve();
						expect(idle).toBeLessThan(10_000);
						if (!reads.next().value) continue;
						const size = inbox.shift();
						if (size === undefined) continue;
						idle = 0;
						unread -= size;
						unreported += size;
						// As a stream does: what is less than half of the window is not told.
						if (unreported < windowBytes / 2) continue;
						window.give(unreported);
						unreported = 0;
					}
					await sender;
				},
			),
		);
	});

	test("that is opened lets go whoever waits", async () => {
		const window = createSendWindow(windowBytes);
		await window.take(windowBytes);
		const waits = window.take(windowBytes);
		window.open();
		await waits;
		expect(window.take(10 * windowBytes)).toBeUndefined();
	});

	test("more credit than was used does not make it larger", () => {
		const window = createSendWindow(windowBytes);
		window.give(10 * windowBytes);
		expect(window.take(windowBytes)).toBeUndefined();
		expect(window.take(1)).toBeInstanceOf(Promise);
	});
});
