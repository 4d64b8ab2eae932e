// The least relay that the bench can drive: in memory, forwards every payment at once, and lies on request.
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { Pool } from "undici";
import { formatCents, parseCents } from "../../src/payment/amount.ts";
import { parseInstant } from "../../src/payment/instant.ts";
import type { Processor } from "../../src/payment/payment.ts";
import { serveProcessor } from "../../src/processor/serve.ts";

/**
 * What it does wrong: charges its tenth payment twice, drops it, charges or reports a cent too much, or none; or answers
 * no summary while payments come.
 */
export type Lie =
	| "none"
	| "doubles"
	| "loses"
	| "overcharges"
	| "misreports"
	| "charges what it refused"
	| "hides its books";

interface StubRelay {
	readonly url: string;
	close(): Promise<void>;
}

export interface Stub {
	/** The relay's, and its processors'. */
	readonly urls: readonly [url: string, defaultUrl: string, fallbackUrl: string];
	close(): Promise<void>;
}

const lieAt = 10;
/** Without a payment for so long, the load has ended. */
const loadPauseMs = 300;

/** A relay that lies so, with two processors of its own. */
export async function startStub(lie: Lie): Promise<Stub> {
	const served = await Promise.all([
		serveProcessor({ name: "default", port: 0, feeRate: "0.05" }),
		serveProcessor({ name: "fallback", port: 0, feeRate: "0.15" }),
	]);
	const [defaultUrl, fallbackUrl] = served.map(({ port }) => `http://127.0.0.1:${port}`) as [string, string];
	const relay = await startStubRelay({ default: defaultUrl, fallback: fallbackUrl }, lie);
	return {
		urls: [relay.url, defaultUrl, fallbackUrl],
		async close() {
			await relay.close();
			await Promise.all(served.map((one) => one.close()));
		},
	};
}

async function startStubRelay(urls: Readonly<Record<Processor, string>>, lie: Lie): Promise<StubRelay> {
	const pools = {
		default: new Pool(urls.default, { connections: 64 }),
		fallback: new Pool(urls.fallback, { connections: 64 }),
	};
	let books: { processor: Processor; cents: bigint; atUs: number }[] = [];
	let seen = 0;
	let takenAtMs = 0;

	async function charge(processor: Processor, id: string, cents: bigint): Promise<void> {
		const requestedAt = new Date().toISOString();
		const answer = await pools[processor].request({
			method: "POST",
			path: "/payments",
			headers: { "content-type": "application/json" },
			body: `{"correlationId":"${id}","amount":${formatCents(cents)},"requestedAt":"${requestedAt}"}`,
		});
		await answer.body.dump();
		if (answer.statusCode === 200) books.push({ processor, cents, atUs: parseInstant(requestedAt)! });
	}

	async function take(text: string): Promise<number> {
		const { id, amount } = /"correlationId":"(?<id>[^"]+)","amount":(?<amount>[\d.]+)/.exec(text)!.groups!;
		const cents = parseCents(amount!)!;
		takenAtMs = Date.now();
		const chosen = ++seen === lieAt ? lie : "none";
		if (chosen === "loses") return 202;
		await charge("default", id!, chosen === "overcharges" ? cents + 1n : cents);
		if (chosen === "doubles") await charge("fallback", id!, cents);
		return chosen === "charges what it refused" ? 429 : 202;
	}

	function summary(query: URLSearchParams): string {
		const [from, to] = [query.get("from"), query.get("to")].map((text) => (text ? parseInstant(text) : undefined));
		const totals = (processor: Processor): string => {
			const own = books.filter(
				(one) => one.processor === processor && one.atUs >= (from ?? 0) && one.atUs <= (to ?? Number.POSITIVE_INFINITY),
			);
			const lied = lie === "misreports" && own.length > 0 ? 1n : 0n;
			const cents = own.reduce((sum, one) => sum + one.cents, lied);
			return `{"totalRequests":${own.length},"totalAmount":${formatCents(cents)}}`;
		};
		return `{"default":${totals("default")},"fallback":${totals("fallback")}}`;
	}

	const server = createServer(async (request, response) => {
		const { pathname, searchParams } = new URL(request.url!, "http://stub");
		if (request.method === "POST" && pathname === "/payments") {
			response.writeHead(await take(await readText(request))).end();
		} else if (pathname === "/purge-payments") {
			books = [];
			response.writeHead(204).end();
		} else if (pathname === "/payments-summary" && lie === "hides its books" && Date.now() - takenAtMs < loadPauseMs) {
			response.writeHead(500).end();
		} else if (pathname === "/payments-summary") {
			response.writeHead(200, { "content-type": "application/json" }).end(summary(searchParams));
		} else response.writeHead(404).end();
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	return {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		async close() {
			await new Promise((resolve) => {
				server.close(resolve);
				server.closeAllConnections();
			});
			await Promise.all([pools.default.close(), pools.fallback.close()]);
		},
	};
}

async function readText(request: IncomingMessage): Promise<string> {
	let text = "";
	for await (const chunk of request) text += chunk;
	return text;
}
