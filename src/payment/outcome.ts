// What comes of the calls that change a payment under its lease, in the words of whoever asks and of whoever decides.

/** `fenced`: the lease is gone. `pinned_elsewhere`: it may be charged at the other processor only. */
export type PinOutcome =
	| { readonly outcome: "pinned"; readonly requestedAtUs: number }
	| { readonly outcome: "fenced" | "pinned_elsewhere" | "no_slot" | "purging" };

export type ReleaseOutcome = "released" | "fenced";

/** `repeated`: it was settled so before. `stale`: no such payment any more. `refused`: the books say elsewhere. */
export type SettleOutcome = "settled" | "repeated" | "stale" | "refused";
