// What a warehouse reports, by a request or in a file, and what makes it one that can be taken.

export interface Report {
	readonly reportId: string;
	readonly sku: string;
	readonly received: number;
	readonly damaged: number;
}

/** The report cannot be taken; its text says why. */
export class InvalidReport extends Error {
	override readonly name = "InvalidReport";
}

/** Takes a report into the inventory; false where it was there already. */
export type TakeReport = (report: Report) => boolean;

const nameMax = 64;
const itemsMax = 1_000_000;

/** Throws InvalidReport. */
export function checkReport(value: unknown): Report {
	if (typeof value !== "object" || value === null) throw new InvalidReport("a report is an object");
	const { reportId, sku, received, damaged = 0 } = value as Readonly<Record<string, unknown>>;
	if (!isName(reportId)) throw new InvalidReport(`reportId is to have 1 to ${nameMax} characters`);
	if (!isName(sku)) throw new InvalidReport(`sku is to have 1 to ${nameMax} characters`);
	if (!isCount(received)) throw new InvalidReport(`received is to be a whole number from 0 to ${itemsMax}`);
	if (!isCount(damaged) || damaged > received)
		throw new InvalidReport("damaged is to be a whole number from 0 to what was received");
	return { reportId, sku, received, damaged };
}

function isName(value: unknown): value is string {
	return typeof value === "string" && value.length > 0 && value.length <= nameMax;
}

function isCount(value: unknown): value is number {
	return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= itemsMax;
}
