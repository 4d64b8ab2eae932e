// The audit of a run: what was promised to every payment against what both processors have, and the relay's own books.
import { randomInt } from "node:crypto";
import { Agent, request } from "undici";
import { type Books, booksOf, sameBooks } from "../../src/bench/books.ts";
import { formatInstant, parseInstant } from "../../src/payment/instant.ts";
import type { Processor } from "../../src/payment/payment.ts";
import type { Posted } from "./load.ts";
import { type Charge, type ProcessorLab, query, type Window } from "./processors.ts";

/** Windows with bounds at random charges, and payments asked for by id: enough to find what is wrong in many. */
const windowsAsked = 20;
const paymentsAskedMax = 1_000;
const askersMax = 16;
/** Of each kind of finding, so many are told in full. */
const toldMax = 5;

export interface Audit {
	/** Nothing was wrong where it is empty. */
	readonly findings: readonly string[];
	readonly acknowledged: number;
	readonly charged: Readonly<Record<Processor, number>>;
}

/** To be called once nothing waits any more: I1 to I3 of what the relay promises. */
export async function audit(
	url: string,
	processors: readonly ProcessorLab[],
	posted: readonly Posted[],
): Promise<Audit> {
	const findings = createFindings();
	const payments = new Map(posted.map((payment) => [payment.id, payment]));
	const charges = new Map<string, Charge & { processor: Processor }>();
	const charged = { default: 0, fallback: 0 };
	for (const { name, charges: list } of processors) {
		for (const charge of await list()) {
			charged[name]++;
			const payment = payments.get(charge.id);
			const other = charges.get(charge.id);
			if (!payment) findings.add("charged, but never posted", `${charge.id} at ${name}`);
			else if (BigInt(payment.cents) !== charge.cents)
				findings.add("charged another amount", `${charge.id} at ${name}: ${charge.cents} for ${payment.cents}`);
			if (other) findings.add("charged twice", `${charge.id} at ${other.processor} and ${name}`);
			charges.set(charge.id, { ...charge, processor: name });
		}
	}
	for (const payment of posted) {
		const charge = charges.get(payment.id);
		if (payment.told === "acknowledged" && !charge) findings.add("acknowledged, but not charged", payment.id);
		if (payment.told === "refused" && charge) findings.add("refused, but charged", `${payment.id} ${payment.status}`);
	}
	await auditBooks(url, processors, [...charges.values()], findings);
	await auditStates(url, posted, charges, findings);
	const acknowledged = posted.filter(({ told }) => told === "acknowledged").length;
	return { findings: findings.list(), acknowledged, charged };
}

async function auditBooks(url: string, processors: readonly ProcessorLab[], charges: Charge[], findings: Findings) {
	const windows: (Window | undefined)[] = [undefined];
	const moments = charges.map(({ requestedAt }) => parseInstant(requestedAt) as number).toSorted((a, b) => a - b);
	for (let n = 0; moments.length > 0 && n < windowsAsked; n++) {
		const [from, to] = [randomInt(moments.length), randomInt(moments.length)].toSorted((a, b) => a - b);
		windows.push({ from: formatInstant(moments[from!]!), to: formatInstant(moments[to!]!) });
	}
	for (const window of windows) {
		const relay = await summary(url, window);
		const [atDefault, atFallback] = await Promise.all(processors.map((one) => one.total(window)));
		const theirs = { default: atDefault!, fallback: atFallback! };
		const shown = window ? `${window.from} to ${window.to}` : "everything";
		if (!sameBooks(relay, theirs)) findings.add("the books differ", `${shown}: ${show(relay)} for ${show(theirs)}`);
	}
}

async function auditStates(
	url: string,
	posted: readonly Posted[],
	charges: ReadonlyMap<string, Charge & { processor: Processor }>,
	findings: Findings,
): Promise<void> {
	const step = Math.max(1, Math.ceil(posted.length / paymentsAskedMax));
	const asked = posted
		.filter(({ told }, n) => n % step === 0 || told !== "acknowledged")
		.slice(0, 2 * paymentsAskedMax);
	const dispatcher = new Agent({ connections: askersMax });
	const next = asked.values();
	const ask = async (): Promise<void> => {
		for (const { id, cents } of next) {
			const answer = await request(`${url}/payments/${id}`, { dispatcher });
			const text = await answer.body.text();
			const charge = charges.get(id);
			const seen = answer.statusCode === 200 ? JSON.parse(text) : undefined;
			const state = seen ? `${seen.state} at ${seen.processor}, ${seen.chargedAmount}` : String(answer.statusCode);
			const due = charge ? `settled at ${charge.processor}, ${cents / 100}` : "404";
			if (state !== due) findings.add("a payment's state is wrong", `${id}: ${state} instead of ${due}`);
		}
	};
	await Promise.all(Array.from({ length: askersMax }, ask));
	await dispatcher.destroy();
}

/** What the relay says of a window. */
export async function summary(url: string, window?: Window): Promise<Books> {
	const { statusCode, body } = await request(`${url}/payments-summary${query(window)}`);
	const text = await body.text();
	if (statusCode !== 200) throw new Error(`the summary was answered ${statusCode}: ${text}`);
	return booksOf(text);
}

export function show(books: Books): string {
	const { default: d, fallback: f } = books;
	return `default ${d.count} × ${d.cents} cents, fallback ${f.count} × ${f.cents} cents`;
}

type Findings = ReturnType<typeof createFindings>;

function createFindings() {
	const found = new Map<string, string[]>();
	return {
		add: (what: string, where: string) => void found.set(what, [...(found.get(what) ?? []), where]),
		list: () => [...found].map(([what, where]) => `${what}, ${where.length} ×: ${where.slice(0, toldMax).join("; ")}`),
	};
}
