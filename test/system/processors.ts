// Two simulated processors in the test's own process, with what a test asks of them.
import { Agent, request } from "undici";
import { parseWithNumbersAsText, type Totals, totalsOf } from "../../src/bench/books.ts";
import { parseCents } from "../../src/payment/amount.ts";
import type { Processor } from "../../src/payment/payment.ts";
import type { Figures } from "../../src/processor/figures.ts";
import type { Misbehaviour } from "../../src/processor/misbehaviour.ts";
import { serveProcessor } from "../../src/processor/serve.ts";

export interface Charge {
	readonly id: string;
	readonly cents: bigint;
	/** As the processor writes it, with a zone. */
	readonly requestedAt: string;
}

export interface ProcessorLab {
	readonly name: Processor;
	readonly url: string;
	fail(failing: boolean): Promise<unknown>;
	delay(ms: number): Promise<unknown>;
	misbehave(how: Partial<Misbehaviour>): Promise<unknown>;
	/** Back to the contract's own behaviour. */
	heal(): Promise<void>;
	purge(): Promise<unknown>;
	/** Every stored charge, by insertion. */
	charges(): Promise<Charge[]>;
	total(window?: Window): Promise<Totals>;
	figures(): Promise<Figures>;
	close(): Promise<void>;
}

interface Page {
	readonly payments: readonly { correlationId: string; amount: string; requestedAt: string }[];
	readonly next: string;
}

/** Inclusive bounds in ISO-8601. */
export interface Window {
	readonly from: string;
	readonly to: string;
}

const feeRates = { default: "0.05", fallback: "0.15" };
const headers = { "x-rinha-token": "123", "content-type": "application/json" };
const pageMax = 10_000;

export async function startProcessor(name: Processor): Promise<ProcessorLab> {
	const served = await serveProcessor({ name, port: 0, feeRate: feeRates[name] });
	const url = `http://127.0.0.1:${served.port}`;
	const dispatcher = new Agent({ connections: 4 });
	const admin = async (method: "GET" | "PUT" | "POST", path: string, body?: unknown) => {
		const options = { method, headers, dispatcher, ...(body !== undefined && { body: JSON.stringify(body) }) };
		const answer = await request(`${url}/admin/${path}`, options);
		if (answer.statusCode >= 300) throw new Error(`${name}: ${method} ${path} was answered ${answer.statusCode}`);
		return answer.body.text();
	};
	const lab: ProcessorLab = {
		name,
		url,
		fail: (failure) => admin("PUT", "configurations/failure", { failure }),
		delay: (delay) => admin("PUT", "configurations/delay", { delay }),
		misbehave: (how) => admin("PUT", "configurations/misbehaviour", how),
		async heal() {
			await Promise.all([lab.fail(false), lab.delay(0), lab.misbehave({ mode: "none" })]);
		},
		purge: () => admin("POST", "purge-payments"),
		async charges() {
			const found: Charge[] = [];
			for (let after = 0; ; ) {
				const page = parseWithNumbersAsText(await admin("GET", `payments?after=${after}&limit=${pageMax}`)) as Page;
				for (const { correlationId, amount, requestedAt } of page.payments)
					found.push({ id: correlationId, cents: parseCents(amount) ?? -1n, requestedAt: `${requestedAt}Z` });
				if (Number(page.next) === after) return found;
				after = Number(page.next);
			}
		},
		total: async (window) => totalsOf(parseWithNumbersAsText(await admin("GET", `payments-summary${query(window)}`))),
		figures: async () => JSON.parse(await admin("GET", "figures")),
		async close() {
			await dispatcher.destroy();
			await served.close();
		},
	};
	return lab;
}

export function query(window?: Window): string {
	return window ? `?from=${window.from}&to=${window.to}` : "";
}
