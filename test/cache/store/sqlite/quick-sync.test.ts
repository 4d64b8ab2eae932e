import { expect, test } from "vitest";
import { createQuickSync } from "../../../../src/cache/store/sqlite/quick-sync.ts";

function lab() {
	const disk = { takesMs: 0.2, fails: false };
	const where: string[] = [];
	let nowMs = 0;
	const sync = createQuickSync(async (fd) => void where.push(`apart ${fd}`), {
		slowMs: 2,
		apartCount: 3,
		now: () => nowMs,
		fdatasyncSync(fd) {
			if (disk.fails) throw new Error("EIO");
			nowMs += disk.takesMs;
			where.push(`at once ${fd}`);
		},
	});
	return { disk, where, sync };
}

test("while the disk is quick, a sync is done when it is asked for", async () => {
	const { where, sync } = lab();
	const synced = sync(7);
	expect(where).toEqual(["at once 7"]);
	await synced;
});

test("after a slow one the next go off the event loop, until another try", async () => {
	const { disk, where, sync } = lab();
	disk.takesMs = 5;
	for (let i = 0; i < 5; i++) await sync(i);
	expect(where).toEqual(["at once 0", "apart 1", "apart 2", "apart 3", "at once 4"]);
	disk.takesMs = 1;
	for (let i = 5; i < 10; i++) await sync(i);
	expect(where.slice(5)).toEqual(["apart 5", "apart 6", "apart 7", "at once 8", "at once 9"]);
});

test("a single slow one among quick ones changes nothing, several do", async () => {
	const { disk, where, sync } = lab();
	for (let i = 0; i < 30; i++) await sync(i);
	disk.takesMs = 12;
	await sync(30);
	disk.takesMs = 0.2;
	await sync(31);
	expect(where.at(-1)).toBe("at once 31");
	disk.takesMs = 12;
	for (let i = 32; i < 35; i++) await sync(i);
	expect(where.slice(-3)).toEqual(["at once 32", "apart 33", "apart 34"]);
});

test("one that fails is a rejection", async () => {
	const { disk, sync } = lab();
	disk.fails = true;
	await expect(sync(1)).rejects.toThrow("EIO");
});
