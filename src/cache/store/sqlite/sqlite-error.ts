// SQLite's errors by what they mean. Deno's `exec` gives the text only, without a number, so both are looked at.

const kinds = {
	busy: { code: 5, text: "database is locked" },
	corrupt: { code: 11, text: "database disk image is malformed" },
	unopened: { code: 14, text: "unable to open database file" },
	readonly: { code: 8, text: "attempt to write a readonly database" },
	foreign: { code: 26, text: "file is not a database" },
	/** Of the runtime's, and without a number: a flipped bit makes a whole number of any size. */
	outOfRange: { code: -1, text: "too large to be represented as a JavaScript number" },
} as const;

export function isSqliteError(error: unknown, ...which: (keyof typeof kinds)[]): boolean {
	const { errcode, message = "" } = error as { errcode?: number; message?: string };
	return which.some((kind) => {
		const { code, text } = kinds[kind];
		return errcode === undefined ? message.includes(text) : (errcode & 0xff) === code;
	});
}
