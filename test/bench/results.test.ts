// Where a bench's results go.
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { makeFolder } from "../../src/bench/results.ts";

test("benches that begin in the same millisecond do not write over each other's results", async () => {
	const out = await mkdtemp(join(tmpdir(), "bench-results-"));
	onTestFinished(() => rm(out, { recursive: true }));
	const now = new Date(Date.UTC(2025, 6, 15, 12));
	const folders = await Promise.all(Array.from({ length: 5 }, () => makeFolder(join(out, "new"), "steady", now)));
	expect(new Set(folders).size).toBe(5);
	for (const folder of folders) expect((await stat(folder)).isDirectory()).toBe(true);
	await expect(makeFolder(join(folders[0]!, "no", "\0"), "steady", now)).rejects.toThrow();
});
