// The audit by id after a run: every payment that was posted is looked for at both processors, and every one that they
// have is looked for among those posted.
import type { Processor } from "../payment/payment.ts";
import { processors } from "../payment/payment.ts";
import type { Amounts } from "./amounts.ts";
import type { Ids } from "./ids.ts";
import type { Outcomes } from "./outcomes.ts";
import type { ProcessorClient, StoredPayment } from "./processor-client.ts";

export interface Posted {
	readonly ids: Ids;
	readonly amounts: Amounts;
	readonly outcomes: Outcomes;
}

export interface IdAudit {
	/** Acknowledged and charged nowhere. */
	readonly unpaid: number;
	/** Charged more than once, at one processor or at both. */
	readonly doubled: number;
	/** Charged with another amount than was posted. */
	readonly wrongAmount: number;
	/** Charged, and never posted in this run. */
	readonly neverPosted: number;
	/** Charged, although the relay had answered that it refused the payment. */
	readonly refusedButCharged: number;
	/** Without a clear answer: at most once is right. */
	readonly unclear: number;
	readonly unclearCharged: number;
	/** The first few of each fault. */
	readonly examples: readonly string[];
	/** Ids of the first unpaid ones. */
	readonly unpaidIds: readonly string[];
	/** Some of the moments at which processors recorded a payment, for windows that begin or end exactly there. */
	readonly moments: readonly string[];
}

const examplesMax = 10;
const momentsMax = 64;
const lookUpsAtOnce = 16;

export async function auditById(
	clients: Readonly<Record<Processor, Pick<ProcessorClient, "list" | "find">>>,
	posted: Posted,
): Promise<IdAudit> {
	const tally = createTally(posted);
	await Promise.all(
		processors.map(async (one) => {
			const pages = await clients[one].list();
			if (pages) for await (const page of pages) for (const payment of page) tally.take(one, payment);
			else await lookUpAll(clients[one], one, posted, tally.take);
		}),
	);
	return tally.result();
}

/** Without a listing: payment by payment, a bounded number at once. */
async function lookUpAll(
	client: Pick<ProcessorClient, "find">,
	name: Processor,
	{ ids, outcomes }: Posted,
	take: (processor: Processor, payment: StoredPayment) => void,
): Promise<void> {
	let next = 0;
	const lookUp = async (): Promise<void> => {
		while (next < outcomes.count()) {
			const found = await client.find(ids.at(next++));
			if (found) take(name, found);
		}
	};
	await Promise.all(Array.from({ length: lookUpsAtOnce }, lookUp));
}

export function createTally({ ids, amounts, outcomes }: Posted): {
	take(processor: Processor, payment: StoredPayment): void;
	result(): IdAudit;
} {
	const charges = new Uint8Array(outcomes.count());
	const examples: string[] = [];
	const unpaidIds: string[] = [];
	const moments: string[] = [];
	let seen = 0;
	let wrongAmount = 0;
	let neverPosted = 0;
	const note = (text: string): void => {
		if (examples.length < examplesMax) examples.push(text);
	};
	return {
		take(processor, { id, cents, requestedAt }) {
			const n = ids.numberOf(id);
			if (n === undefined || n >= charges.length) {
				neverPosted++;
				note(`${id} was charged at ${processor}, and never posted`);
				return;
			}
			// A sample that thins out as it goes on.
			if (seen++ % Math.max(1, Math.floor(charges.length / momentsMax)) === 0) moments.push(requestedAt);
			charges[n] = Math.min(charges[n]! + 1, 255);
			if (cents === amounts(n)) return;
			wrongAmount++;
			note(`${id} was posted with ${amounts(n)} cents, and charged at ${processor} with ${cents}`);
		},
		result() {
			let unpaid = 0;
			let doubled = 0;
			let refusedButCharged = 0;
			let unclear = 0;
			let unclearCharged = 0;
			for (let n = 0; n < charges.length; n++) {
				const outcome = outcomes.of(n);
				const times = charges[n]!;
				if (times > 1) {
					doubled++;
					note(`${ids.at(n)} was charged ${times} times`);
				}
				if (outcome === "accepted" && times === 0) {
					unpaid++;
					if (unpaidIds.length < examplesMax) unpaidIds.push(ids.at(n));
				}
				if (outcome === "refused" && times > 0) {
					refusedButCharged++;
					note(`${ids.at(n)} was refused by the relay, and charged`);
				}
				if (outcome === "unclear" || outcome === "open") {
					unclear++;
					if (times > 0) unclearCharged++;
				}
			}
			return {
				unpaid,
				doubled,
				wrongAmount,
				neverPosted,
				refusedButCharged,
				unclear,
				unclearCharged,
				examples,
				unpaidIds,
				moments,
			};
		},
	};
}

/** What of it breaks the promise, in words. */
export function faultsOf(audit: IdAudit): string[] {
	const faults: [number, string][] = [
		[audit.unpaid, "acknowledged payments were charged nowhere"],
		[audit.doubled, "payments were charged more than once"],
		[audit.wrongAmount, "payments were charged with another amount"],
		[audit.neverPosted, "charges are of payments that were never posted"],
		[audit.refusedButCharged, "payments were refused by the relay, and charged"],
	];
	return faults.filter(([n]) => n > 0).map(([n, what]) => `${n} ${what}`);
}
