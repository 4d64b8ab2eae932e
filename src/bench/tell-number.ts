// A number for people.

/** Where there is none a dash. */
export function tellNumber(value: number | undefined, decimals = 2): string {
	return value?.toFixed(decimals) ?? "-";
}
