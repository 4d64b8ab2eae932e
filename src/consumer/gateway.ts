// The gateway to the processors: their three calls over HTTP/1.1, one request at a time on each of many connections.
//
// Never more than one request waits for an answer on a connection, and no POST is ever repeated from here. A connection
// that the processor closed while it was idle would make a charge's outcome unknown, so idle ones are dropped long
// before servers usually do (5 s and more).
import Pool from "undici/lib/dispatcher/pool.js";
import { formatCents } from "../payment/amount.ts";
import { formatInstant } from "../payment/instant.ts";
import type { Processor } from "../payment/payment.ts";
import { notReached, readCharge, readHealth, readReadBack } from "./answers.ts";
import { type Exchange, exchange } from "./exchange.ts";
import type { ChargeAnswer, Gateway } from "./ports.ts";

export interface GatewayOptions {
	/** Where each processor is: an origin, or a folder on one. */
	readonly urls: Readonly<Record<Processor, string>>;
	/** Connections to one processor: all that may be open at once, so that nothing waits here for one. */
	readonly connectionsMax: number;
	/** How long a connection may take to be established, ms. */
	readonly connectMs?: number;
}

export interface HttpGateway extends Gateway {
	/** Cuts what is still open. */
	close(): Promise<void>;
}

/** As pairs: of an object undici makes these for each request. */
const jsonHeaders = ["content-type", "application/json"];
const connectDefaultMs = 1_500;
const keepAliveMs = 2_000;

export function createGateway({ urls, connectionsMax, connectMs = connectDefaultMs }: GatewayOptions): HttpGateway {
	const sites = { default: site(urls.default), fallback: site(urls.fallback) };

	function site(url: string): { readonly pool: Pool; readonly paymentsPath: string } {
		const { origin, pathname } = new URL(url);
		const pool = new Pool(origin, {
			connections: connectionsMax,
			pipelining: 1,
			allowH2: false,
			connect: { timeout: connectMs, keepAlive: true },
			keepAliveTimeout: keepAliveMs,
			keepAliveMaxTimeout: keepAliveMs,
			// Each exchange has its own signal.
			headersTimeout: 0,
			bodyTimeout: 0,
		});
		return { pool, paymentsPath: `${pathname.replace(/\/$/, "")}/payments` };
	}

	return {
		charge(processor, { id, amountCents, requestedAtUs }, cutoff) {
			const { pool, paymentsPath } = sites[processor];
			const body = `{"correlationId":"${id}","amount":${formatCents(amountCents)},"requestedAt":"${formatInstant(requestedAtUs)}"}`;
			return exchange(pool, { method: "POST", path: paymentsPath, headers: jsonHeaders, body }, cutoff).then(
				chargeAnswer,
			);
		},
		async readBack(processor, id, cutoff) {
			const { pool, paymentsPath } = sites[processor];
			const read = await exchange(pool, { method: "GET", path: `${paymentsPath}/${id}` }, cutoff);
			return read.came === "answer" ? readReadBack(processor, id, read.answer) : { kind: "no_answer" };
		},
		async health(processor, cutoff) {
			const { pool, paymentsPath } = sites[processor];
			const asked = await exchange(pool, { method: "GET", path: `${paymentsPath}/service-health` }, cutoff);
			return asked.came === "answer" ? readHealth(asked.answer) : notReached;
		},
		async close() {
			await Promise.all([sites.default.pool.destroy(), sites.fallback.pool.destroy()]);
		},
	};
}

function chargeAnswer(posted: Exchange): ChargeAnswer {
	switch (posted.came) {
		case "answer":
			return readCharge(posted.answer);
		case "unsent":
			return { kind: "not_charged", why: posted.why === "aborted" ? "aborted" : "refused" };
		case "nothing":
			return { kind: "unknown", why: posted.why };
	}
}
