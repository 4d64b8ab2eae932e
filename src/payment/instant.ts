// Moments in whole microseconds since the Unix epoch, UTC: what the processors record, and finer than `Date` can hold.

const iso = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(Z|z|[+-]\d{2}(?::?\d{2})?)?$/;

/** The last microsecond that a double holds exactly, in the year 2255; later moments are folded onto it. */
export const instantMaxUs = Number.MAX_SAFE_INTEGER;

/**
 * Microseconds from ISO-8601 text; without a zone it is UTC, as the processors' own times come. Digits beyond the
 * sixth are cut, or rounded up where `round` says so (the lower bound of a window). `undefined` where it is no such
 * text, or no such day, or before 1970.
 */
export function parseInstant(text: string, round: "down" | "up" = "down"): number | undefined {
	const match = iso.exec(text);
	if (!match) return undefined;
	const [, year, month, day, hour, minute, second = "0", fraction = "", zone = "Z"] = match;
	const at = Date.UTC(+year!, +month! - 1, +day!, +hour!, +minute!, +second);
	const date = new Date(at);
	// `Date.UTC` takes the years 0 to 99 for 1900 to 1999, and lets the other numbers overflow into one another.
	if (date.getUTCFullYear() !== +year! || date.getUTCMonth() !== +month! - 1 || date.getUTCDate() !== +day!)
		return undefined;
	if (+hour! > 23 || +minute! > 59 || +second > 59) return undefined;
	const offsetMs = zoneOffsetMs(zone);
	if (offsetMs === undefined) return undefined;
	const nanos = Number(fraction.padEnd(9, "0"));
	const micros = round === "up" ? Math.ceil(nanos / 1000) : Math.floor(nanos / 1000);
	const us = (at - offsetMs) * 1000 + micros;
	return us >= 0 ? Math.min(us, instantMaxUs) : undefined;
}

/** ISO-8601 text in UTC with as many digits as the moment has: milliseconds, or microseconds where it is not whole. */
export function formatInstant(us: number): string {
	const ms = Math.floor(us / 1000);
	const rest = us - ms * 1000;
	const text = new Date(ms).toISOString();
	return rest === 0 ? text : `${text.slice(0, -1)}${String(rest).padStart(3, "0")}Z`;
}

/** `undefined` beyond the 23:59 that ISO-8601 can write. */
function zoneOffsetMs(zone: string): number | undefined {
	if (zone === "Z" || zone === "z") return 0;
	const sign = zone[0] === "-" ? -1 : 1;
	const digits = zone.slice(1).replace(":", "");
	const [hours, minutes] = [Number(digits.slice(0, 2)), Number(digits.slice(2))];
	return hours > 23 || minutes > 59 ? undefined : sign * (hours * 60 + minutes) * 60_000;
}
