// Why a service ends, where an operator can do something about it.

/** A refusal to start: its message says what is wrong and what to do, and starting again is of no use. */
export class Refusal extends Error {
	override readonly name = "Refusal";
}

/** What the system says of a path or an address that a setting named, and that cannot be had. */
const final = new Set([
	...["EADDRINUSE", "EADDRNOTAVAIL", "ENOTFOUND", "EINVAL"],
	...["EACCES", "EPERM", "EROFS", "ENOENT", "ENOTDIR", "EISDIR", "EEXIST"],
]);

/** Why starting again is of no use; `undefined` where it may be. */
export function refusalOf(error: unknown): string | undefined {
	if (error instanceof Refusal) return error.message;
	const { code, message } = error as NodeJS.ErrnoException;
	return code !== undefined && final.has(code) ? `${message}: see the settings (--help)` : undefined;
}

/** SQLite's words, and the system's, also for a quota. */
const full = /^database or disk is full|^(?:ENOSPC|EDQUOT)\b/;

/** What is said of a disk that is full, where that is why: then the error's place in the code tells an operator nothing. */
export function fullDisk(error: unknown): string | undefined {
	if (!(error instanceof Error)) return undefined;
	return full.test(error.message) ? error.message : fullDisk(error.cause);
}
