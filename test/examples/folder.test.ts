// The warehouse's watched folder, when it cannot be read.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { watchFolder } from "../../examples/warehouse/folder.ts";
import { createFakeClock } from "../fake-clock.ts";

test("a folder that cannot be read is told of once, until it can", async () => {
	const folder = mkdtempSync(join(tmpdir(), "payrelay-"));
	onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
	const clock = createFakeClock();
	const told: string[] = [];
	let looks = 0;
	const watched = await watchFolder({
		folder,
		take: () => true,
		clock: {
			...clock,
			sleep(ms, signal) {
				looks++;
				return clock.sleep(ms, signal);
			},
		},
		onFault: (_, what) => told.push(what),
	});
	onTestFinished(() => watched.close());
	const look = async (): Promise<number> => {
		await clock.advance(100);
		return looks;
	};
	const lookOften = () => expect.poll(look).toBeGreaterThan(looks + 5);

	rmSync(folder, { recursive: true });
	await lookOften();
	mkdirSync(join(folder, "refused"), { recursive: true });
	writeFileSync(join(folder, "report.json"), "no JSON");
	await lookOften();
	rmSync(folder, { recursive: true });
	await lookOften();
	const unread = "the watched folder cannot be read; it is tried again";
	expect(told).toEqual([unread, "report.json is refused", unread]);
});
