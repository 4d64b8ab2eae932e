// Folders that are made, and those that cannot be.
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeFolder } from "../../../../src/cache/store/sqlite/folder.ts";

let root: string;
beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), "folder-test-"));
});
afterEach(() => rmSync(root, { recursive: true }));

test("a folder is made with those above it, and one that is there is left as it is", () => {
	const folder = join(root, "a", "b", "c");
	makeFolder(folder);
	writeFileSync(join(folder, "kept"), "");
	makeFolder(folder);
	expect(statSync(join(folder, "kept")).isFile()).toBe(true);
});

test("a file in its place, or above it, is told of", () => {
	const file = join(root, "file");
	writeFileSync(file, "");
	expect(() => makeFolder(file)).toThrow(/EEXIST/);
	expect(() => makeFolder(join(file, "below"))).toThrow(/EEXIST|ENOTDIR/);
});

test.runIf(process.platform === "linux")("where the system makes none, it ends by saying so", () => {
	expect(() => makeFolder("/proc/nowhere/below")).toThrow(/ENOENT|EACCES|EPERM|EROFS/);
});
