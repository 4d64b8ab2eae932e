// What the system tests depend on: their length, the programs of the machine, and where measurements are told.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { test } from "vitest";

/** The full lengths and rates of the programme instead of short ones. */
export const isLong = process.env.PAYRELAY_LONG === "1";

/** For a test's name: which of the two ran. */
export const lengthNote = isLong ? "full length" : "short run; PAYRELAY_LONG=1 for the full length";

/**
 * `test`, or a loudly skipped one where the machine lacks a program; with PAYRELAY_REQUIRE_ALL=1 it is never skipped, and
 * then fails for want of it.
 */
export function testWith(program: string): typeof test | typeof test.skip {
	const found = (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));
	if (found || process.env.PAYRELAY_REQUIRE_ALL === "1") return test;
	process.stderr.write(`SKIPPED for want of ${program}: some of the system tests\n`);
	return test.skip;
}

/** A measured figure: told, never asserted. */
export function report(what: string): void {
	process.stderr.write(`  measured: ${what}\n`);
}
