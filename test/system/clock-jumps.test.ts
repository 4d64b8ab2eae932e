// The machine's clock jumps while payments flow: leases, pins and the books do not mind.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleepMs } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import { isLong, lengthNote, report, testWith } from "./conditions.ts";
import { startLab } from "./lab.ts";
import { startLoad, tally } from "./load.ts";
import { signal } from "./processes.ts";

const test = testWith("faketime");
const jumpsS = [3_600, -3_600, 86_400 * 40, 0, -86_400, 5];
const betweenMs = isLong ? 5_000 : 1_300;

test(`the clock of the whole relay jumps hours and days both ways at 200 payments/s (${lengthNote}): no lease ends, no token repeats, the books agree`, {
	timeout: 120_000,
}, async () => {
	const folder = mkdtempSync(join(tmpdir(), "payrelay-clock-"));
	onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
	const clock = join(folder, "faketimerc");
	const jump = (offsetS: number) => writeFileSync(clock, `${offsetS < 0 ? "" : "+"}${offsetS}s\n`);
	jump(0);
	const library = execFileSync("faketime", ["-m", "-f", "+0s", "printenv", "LD_PRELOAD"], { encoding: "utf8" }).trim();
	const lab = await startLab({
		settings: {
			LD_PRELOAD: library,
			FAKETIME_TIMESTAMP_FILE: clock,
			// The file is read at each look at the clock: between two jumps there may be no whole second.
			FAKETIME_CACHE_DURATION: "0",
			FAKETIME_DONT_FAKE_MONOTONIC: "1",
			DONT_FAKE_MONOTONIC: "1",
			LEASE_MS: "1500",
		},
	});
	await Promise.all([lab.default.delay(50), lab.fallback.delay(50)]);
	const load = startLoad(lab.relay.url, 200);
	for (const offsetS of jumpsS) {
		jump(offsetS);
		await sleepMs(betweenMs);
	}
	const beforeRestart = await lab.relay.stats.figures({});
	// A restart with an older clock than the last one's: its tokens must be newer all the same.
	signal(await lab.relay.pid("cache"), "SIGKILL");
	await load.firstAcknowledged(performance.now() + 500);
	const posted = await load.stop();
	await lab.drained();
	const { findings, charged } = await lab.audit(posted);
	report(`${tally(posted)}; charged ${charged.default} + ${charged.fallback}`);
	expect(findings).toEqual([]);
	expect({ retries: beforeRestart.retries, inDoubt: beforeRestart.inDoubt }).toEqual({ retries: 0n, inDoubt: 0n });
	// The relay has seen each jump: some charges are dated by each of the clocks.
	const nowMs = Date.now();
	const dates = (await lab.default.charges()).map(({ requestedAt }) => Date.parse(requestedAt) - nowMs);
	const datedBy = (offsetS: number) => dates.filter((ms) => Math.abs(ms - offsetS * 1_000) < 1_800_000).length;
	for (const offsetS of jumpsS) expect(datedBy(offsetS), `charges by a clock ${offsetS} s ahead`).toBeGreaterThan(0);
});
