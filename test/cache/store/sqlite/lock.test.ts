// One owner a folder: a second cache is refused, and one that was killed leaves nothing behind that would have to be removed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { openSqliteRows } from "../../../../src/cache/store/sqlite/rows.ts";
import { Refusal } from "../../../../src/refusal.ts";
import { runtimeCommand } from "../../../system/relay.ts";
import { temporaryFolder } from "../media.ts";

async function startOwner(folder: string) {
	const [program, ...args] = [...runtimeCommand, fileURLToPath(new URL("owner.ts", import.meta.url)), folder];
	const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
	onTestFinished(() => void child.kill("SIGKILL"));
	const [said] = await once(child.stdout, "data");
	expect(String(said)).toBe("open\n");
	return child;
}

test("a folder in use is refused by name and with its owner's process; kill -9 of the owner frees it", async () => {
	const folder = temporaryFolder();
	const owner = await startOwner(folder);
	const refused = openSqliteRows(folder);
	await expect(refused).rejects.toThrow(Refusal);
	await expect(refused).rejects.toThrow(
		`${folder} is in use by another cache (process ${owner.pid}); a store has one owner`,
	);
	owner.kill("SIGKILL");
	await once(owner, "exit");
	const rows = await openSqliteRows(folder);
	expect(rows.marks.boot).toBe(2);
	rows.close();
});

test("within one process, too, a folder has one owner at a time", async () => {
	const folder = temporaryFolder();
	const rows = await openSqliteRows(folder);
	await expect(openSqliteRows(folder)).rejects.toThrow(/is in use by another cache/);
	// Nor does the attempt free it.
	await expect(openSqliteRows(folder)).rejects.toThrow(/is in use by another cache/);
	rows.close();
	(await openSqliteRows(folder)).close();
});

test("a folder that was in use before and cannot be written to any more is refused by its setting, and not kept locked", async () => {
	const folder = temporaryFolder();
	mkdirSync(join(folder, "owner.pid"));
	const refused = openSqliteRows(folder);
	await expect(refused).rejects.toThrow(Refusal);
	await expect(refused).rejects.toThrow(`${folder} (DATA_DIR) cannot be written to: EISDIR`);
	rmdirSync(join(folder, "owner.pid"));
	(await openSqliteRows(folder)).close();
});
