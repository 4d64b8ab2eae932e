// Folders that are still there after a power cut: the name of a new one is in the folder above, which is synced.
import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Makes a folder, and those above it that are not there. Step by step, because Node's own recursion never ends where the
 * system says ENOENT of a folder whose parent is there, as below /proc.
 */
export function makeFolder(folder: string): void {
	const path = resolve(folder);
	if (isFolder(path)) return;
	const above = dirname(path);
	makeFolder(above);
	try {
		mkdirSync(path);
	} catch (error) {
		// Another process may have made it meanwhile.
		if (!isFolder(path)) throw error;
	}
	syncFolder(above);
}

export function syncFolder(folder: string): void {
	const fd = openSync(folder, "r");
	fsyncSync(fd);
	closeSync(fd);
}

function isFolder(path: string): boolean {
	return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
