// What the bench asks of a payment processor: its switches, its totals, and every payment that it has stored.
import { parseCents } from "../payment/amount.ts";
import { parseWithNumbersAsText, type Totals, totalsOf } from "./books.ts";
import type { Http } from "./http.ts";
import type { Condition } from "./timetable.ts";
import { type Window, windowQuery } from "./window.ts";

/** A payment as a processor has it; `cents` is undefined where the amount is no whole number of cents. */
export interface StoredPayment {
	readonly id: string;
	readonly cents: number | undefined;
	readonly requestedAt: string;
}

/** What a simulated processor has counted. */
export interface ProcessorFigures {
	readonly stored: number;
	readonly posts: number;
	readonly charged: number;
	readonly duplicates: number;
	readonly refused: number;
	readonly reads: number;
	readonly executingMax: number;
	readonly health: { readonly asked: number; readonly refused: number; readonly minAskedIntervalMs: number | null };
}

export interface ProcessorClient {
	set(condition: Condition): Promise<void>;
	purge(): Promise<void>;
	/** Everything without a window. */
	totals(window?: Window): Promise<Totals>;
	/** Its part of the amount, as decimal text. */
	feeRate(): Promise<string>;
	/** `undefined` where the processor is no simulator. */
	figures(): Promise<ProcessorFigures | undefined>;
	resetFigures(): Promise<void>;
	/** Every stored payment, page by page; `undefined` where the processor cannot list them. */
	list(): Promise<AsyncIterable<readonly StoredPayment[]> | undefined>;
	find(id: string): Promise<StoredPayment | undefined>;
}

const pageMax = 10_000;

export function createProcessorClient(http: Http, token: string): ProcessorClient {
	const summary = async (window?: Window): Promise<Record<string, unknown>> =>
		parseWithNumbersAsText(await http.demand("GET", `/admin/payments-summary${windowQuery(window)}`)) as Record<
			string,
			unknown
		>;

	async function* pages(first: Page): AsyncIterable<readonly StoredPayment[]> {
		for (let page = first; page.payments.length > 0; ) {
			yield page.payments;
			page = pageOf(await http.demand("GET", `/admin/payments?after=${page.next}&limit=${pageMax}`));
		}
	}

	return {
		async set({ delayMs, failing }) {
			await Promise.all([
				http.demand("PUT", "/admin/configurations/delay", JSON.stringify({ delay: delayMs })),
				http.demand("PUT", "/admin/configurations/failure", JSON.stringify({ failure: failing })),
			]);
		},
		async purge() {
			await http.demand("PUT", "/admin/configurations/token", JSON.stringify({ token }));
			await http.demand("POST", "/admin/purge-payments");
		},
		totals: async (window) => totalsOf(await summary(window)),
		feeRate: async () => String((await summary()).feePerTransaction),
		async figures() {
			const { status, text } = await http.ask("GET", "/admin/figures");
			return status === 200 ? (JSON.parse(text) as ProcessorFigures) : undefined;
		},
		async resetFigures() {
			await http.ask("DELETE", "/admin/figures");
		},
		async list() {
			const { status, text } = await http.ask("GET", `/admin/payments?after=0&limit=${pageMax}`);
			return status === 200 ? pages(pageOf(text)) : undefined;
		},
		async find(id) {
			const { status, text } = await http.ask("GET", `/payments/${id}`);
			if (status === 404) return undefined;
			if (status !== 200) throw new Error(`a processor answered ${status} when asked for payment ${id}`);
			return storedOf(parseWithNumbersAsText(text));
		},
	};
}

interface Page {
	readonly payments: readonly StoredPayment[];
	readonly next: string;
}

function pageOf(text: string): Page {
	const { payments, next } = parseWithNumbersAsText(text) as { payments: unknown[]; next: string };
	return { payments: payments.map(storedOf), next };
}

function storedOf(value: unknown): StoredPayment {
	const { correlationId, amount, requestedAt } = value as Record<string, string>;
	const cents = parseCents(amount!);
	return {
		id: correlationId!.toLowerCase(),
		cents: cents === undefined ? undefined : Number(cents),
		requestedAt: requestedAt!,
	};
}
