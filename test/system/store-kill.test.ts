// kill -9 of a process with a store, over and over: what it acknowledged is there.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { openSqliteRows } from "../../src/cache/store/sqlite/rows.ts";
import { temporaryFolder } from "../cache/store/media.ts";
import { idOf } from "../cache/store/payments.ts";
import { isLong, lengthNote, report } from "./conditions.ts";
import { runtimeCommand } from "./relay.ts";

const kills = isLong ? 100 : 8;
const program = fileURLToPath(new URL("store-acks.ts", import.meta.url));

test(`nothing acknowledged is lost by ${kills} kills at any moment (${lengthNote})`, { timeout: 300_000 }, async () => {
	const folder = temporaryFolder();
	const acknowledged = new Set<number>();
	for (let kill = 0; kill < kills; kill++) {
		const from = Math.max(0, ...acknowledged) + 1_000;
		for (const n of await acksUntilKilled(folder, from)) acknowledged.add(n);
		const rows = await openSqliteRows(folder);
		const lost = [...acknowledged].filter((n) => rows.get(idOf(n))?.payment.amountCents !== BigInt(n));
		expect(lost).toEqual([]);
		expect(rows.marks.accepted).toBeGreaterThanOrEqual(acknowledged.size);
		rows.close();
	}
	report(`${acknowledged.size} acknowledged, ${kills} kills, none lost`);
	expect(acknowledged.size).toBeGreaterThan(kills);
});

/** Kills it a random while after its first acknowledgement; resolves to all that came out of it. */
async function acksUntilKilled(folder: string, from: number): Promise<number[]> {
	const [command, ...args] = [...runtimeCommand, program, folder, String(from)];
	const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
	onTestFinished(() => void child.kill("SIGKILL"));
	let said = "";
	child.stdout.on("data", (chunk) => {
		if (said === "") setTimeout(() => child.kill("SIGKILL"), randomInt(150));
		said += chunk;
	});
	await once(child, "close");
	// What follows the last line's end was cut off by the kill.
	return said.split("\n").slice(0, -1).map(Number);
}
