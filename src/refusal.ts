// A service's refusal to start: its message says what is wrong and what to do, and starting again is of no use.

export class Refusal extends Error {
	override readonly name = "Refusal";
}

/** What the system says about an address that cannot be had is as final as a refusal of our own. */
export function refusalOf(error: unknown): string | undefined {
	if (error instanceof Refusal) return error.message;
	const { code, message } = error as NodeJS.ErrnoException;
	return code === "EADDRINUSE" || code === "EACCES" || code === "EADDRNOTAVAIL" ? message : undefined;
}
