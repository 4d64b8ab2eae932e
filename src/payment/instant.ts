// Moments in whole microseconds since the Unix epoch, UTC: what the processors record, and finer than `Date` can hold.

const iso = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(Z|z|[+-]\d{2}:?\d{2})?$/;

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
	if (date.getUTCMonth() !== +month! - 1 || date.getUTCDate() !== +day! || +hour! > 23 || +minute! > 59 || +second > 59)
		return undefined;
	const nanos = Number(fraction.padEnd(9, "0"));
	const micros = round === "up" ? Math.ceil(nanos / 1000) : Math.floor(nanos / 1000);
	const us = (at - zoneOffsetMs(zone)) * 1000 + micros;
	return us >= 0 ? Math.min(us, instantMaxUs) : undefined;
}

/** ISO-8601 text in UTC with as many digits as the moment has: milliseconds, or microseconds where it is not whole. */
export function formatInstant(us: number): string {
	const ms = Math.floor(us / 1000);
	const rest = us - ms * 1000;
	const text = new Date(ms).toISOString();
	return rest === 0 ? text : `${text.slice(0, -1)}${String(rest).padStart(3, "0")}Z`;
}

function zoneOffsetMs(zone: string): number {
	if (zone === "Z" || zone === "z") return 0;
	const sign = zone[0] === "-" ? -1 : 1;
	const digits = zone.slice(1).replace(":", "");
	return sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))) * 60_000;
}
