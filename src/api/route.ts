// What a route is, what routes are given, and how the cache's errors read to a caller.
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { Context } from "hono";
import type { StatsService } from "../gen/payrelay/v1/stats_service_pb.ts";
import type { Problem } from "./problem.ts";

export interface ApiSettings {
	/** What `Retry-After` says when the queue is full or the cache away, s. */
	readonly retryAfterS: number;
	/** The longest wait for an answer of the cache, but for a purge's, ms. */
	readonly statsTimeoutMs: number;
	/** The longest wait for one that only tells how the relay is: readiness and metrics, ms. */
	readonly probeTimeoutMs: number;
	/** How long a purge waits for the charges in flight, ms. */
	readonly purgeWaitMs: number;
	/** When set, the administrative routes, purge and metrics among them, need it as a bearer token. */
	readonly adminKey?: string;
}

export const apiDefaults: ApiSettings = {
	retryAfterS: 1,
	statsTimeoutMs: 2_000,
	probeTimeoutMs: 1_000,
	purgeWaitMs: 2_000,
};

/** What routes share. */
export interface RouteContext {
	readonly stats: Client<typeof StatsService>;
	readonly settings: ApiSettings;
}

export interface Route {
	readonly method: "GET" | "POST";
	/** A Hono pattern. */
	readonly path: string;
	/** Needs the administrative key, where one is set. */
	readonly admin?: boolean;
	/** The answer, or why there is none. A ConnectError that it throws is read by {@link problemOfError}. */
	readonly handle: (c: Context) => Promise<Response | Problem> | Response | Problem;
}

export function json(body: string): Response {
	return new Response(body, { headers: { "content-type": "application/json", "cache-control": "no-store" } });
}

/** 503: the same request may be sent again later. */
export function unavailable(detail: string, { retryAfterS }: ApiSettings): Problem {
	return { kind: "unavailable", detail, headers: { "retry-after": String(retryAfterS) } };
}

/** The cache's refusals, as the contract's comments state them; `undefined` for what nobody expected. */
export function problemOfError(error: unknown, settings: ApiSettings): Problem | undefined {
	if (!(error instanceof ConnectError)) return undefined;
	switch (error.code) {
		case Code.Unavailable:
		case Code.DeadlineExceeded:
		case Code.Canceled:
		case Code.Aborted:
		case Code.ResourceExhausted:
			return unavailable("Nothing is promised. Repeat the same request later.", settings);
		case Code.NotFound:
			return { kind: "unknown-payment", detail: "No payment with this id was accepted." };
		case Code.FailedPrecondition:
			return { kind: "not-parked", detail: "Look at the payment's state and at the processor it is bound to." };
		default:
			return undefined;
	}
}
