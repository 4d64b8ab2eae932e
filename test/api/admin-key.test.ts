// The key's file: what a request can present is taken, and anything else is refused at the start.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createAdminGate, readAdminKey } from "../../src/api/admin-key.ts";

const folder = mkdtempSync(join(tmpdir(), "admin-key-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "key");

const longest = "k".repeat(1024);

test.each([
	["as it is", "correct-horse", "correct-horse"],
	["with white space around it", "\ufeff \tcorrect-horse\r\n\n", "correct-horse"],
	["as long as may be", longest, longest],
])("a key %s can be presented", async (_, content, key) => {
	writeFileSync(path, content);
	expect(await readAdminKey(path)).toBe(key);
	expect(createAdminGate(key)(`Bearer ${key}`)).toBeUndefined();
});

test.each([
	["of several lines", "one\ntwo\n"],
	["of several words", "one two"],
	["with other than ASCII characters", "schl\u00fcssel"],
	["that is no text", Buffer.from([0x6b, 0xff, 0xfe])],
	["with a control character", "k\0"],
	["that is empty", ""],
	["of white space", " \n"],
	["that is too long", `${longest}k`],
	["that is too long, behind a byte order mark", `\ufeff${longest}`],
])("a key %s is refused", async (_, content) => {
	writeFileSync(path, content);
	await expect(readAdminKey(path)).rejects.toThrow(
		`ADMIN_KEY_FILE is ${path}. Expected a file of at most 1024 bytes with the key, one word of visible ASCII characters.`,
	);
});

test("a file that never ends, a folder, and none at all are refused", async () => {
	for (const [path, why] of [
		["/dev/zero", ""],
		[folder, " (EISDIR"],
		[join(folder, "none"), " (ENOENT"],
	] as const)
		await expect(readAdminKey(path)).rejects.toThrow(
			new RegExp(`^ADMIN_KEY_FILE is ${path}\\. Expected a file .* ASCII characters${why.replace("(", "\\(")}`),
		);
});
