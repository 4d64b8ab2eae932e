// What the system tests depend on: their length, the programs of the machine, and where measurements are told.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { test } from "vitest";

/** Full lengths and rates instead of short ones. */
export const isLong = process.env.PAYRELAY_LONG === "1";

/** For a test's name: which of the two ran. */
export const lengthNote = isLong ? "full length" : "short run; PAYRELAY_LONG=1 for the full length";

/**
 * `test`, or a loudly skipped one where the machine lacks a program or does not let it be used; with
 * PAYRELAY_REQUIRE_ALL=1 it is never skipped, and then fails.
 */
export function testWith(program: string, allowed = true): typeof test | typeof test.skip {
	if ((allowed && programPath(program)) || process.env.PAYRELAY_REQUIRE_ALL === "1") return test;
	const why = allowed ? "is not installed" : "may not be used";
	process.stderr.write(`SKIPPED: ${program} ${why}; PAYRELAY_REQUIRE_ALL=1 makes this a failure\n`);
	return test.skip;
}

export function programPath(program: string): string | undefined {
	const folders = (process.env.PATH ?? "").split(delimiter);
	return folders.map((folder) => join(folder, program)).find(existsSync);
}

/**
 * Settings for a relay of which each post must be accepted: a process that the machine stops for a second is no reason for
 * a 503. Less than a post of a test waits.
 */
export const patience = { ACCEPT_DEADLINE_MS: "2500" };

/** A measured figure: told, never asserted. */
export function report(what: string): void {
	process.stderr.write(`  measured: ${what}\n`);
}
