// What the bench asks of the relay beside its payments.
import { type Books, booksOf } from "./books.ts";
import type { Http } from "./http.ts";
import type { Window } from "./window.ts";
import { windowQuery } from "./window.ts";

export interface RelayClient {
	/** Everything without a window. */
	books(window?: Window): Promise<Books>;
	purge(): Promise<void>;
	/** The relay's own figures by metric and labels, such as `payrelay_retries_total`; empty where it has none. */
	metrics(): Promise<ReadonlyMap<string, number>>;
	/** What it says of one payment, for a report of what is missing. */
	describe(id: string): Promise<string>;
}

const describedMax = 200;

export function createRelayClient(http: Http): RelayClient {
	return {
		books: async (window) => booksOf(await http.demand("GET", `/payments-summary${windowQuery(window)}`)),
		async purge() {
			await http.demand("POST", "/purge-payments");
		},
		async metrics() {
			const { status, text } = await http.ask("GET", "/metrics");
			return status === 200 ? parseMetrics(text) : new Map();
		},
		async describe(id) {
			const { status, text } = await http.ask("GET", `/payments/${id}`);
			return `${status} ${text.slice(0, describedMax)}`;
		},
	};
}

/** Lines of the Prometheus exposition format: name with labels, then the value. */
export function parseMetrics(text: string): Map<string, number> {
	const found = new Map<string, number>();
	for (const line of text.split("\n")) {
		const match = /^([A-Za-z_:][\w:]*(?:\{[^}]*\})?) ([^ ]+)/.exec(line);
		if (match) found.set(match[1]!, Number(match[2]));
	}
	return found;
}
