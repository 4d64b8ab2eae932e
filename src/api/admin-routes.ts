// What an operator asks: whether the relay is well, its figures, what is parked and what becomes of it, and the purge.
import { Code, ConnectError } from "@connectrpc/connect";
import { readJsonText } from "./body.ts";
import { pathId } from "./books-routes.ts";
import type { ApiMetrics } from "./metrics.ts";
import { viewPayment } from "./payment-view.ts";
import { parseResolutionRequest, resolutionBodyMaxBytes } from "./resolution-request.ts";
import { json, type Route, type RouteContext, unavailable } from "./route.ts";

/** A purge's answer comes this much later than its wait at most, ms. */
const purgeSlackMs = 5_000;
const pageSizeMax = 1000;
const pageTokenMax = 64;
const wrongPageSize = { parameter: "pageSize", detail: "must be 1 to 1000" };
const wrongPageToken = { parameter: "pageToken", detail: "must be the nextPageToken of the page before" };

function isPageSize(text: string): boolean {
	return /^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= pageSizeMax;
}

export function adminRoutes(
	{ stats, settings }: RouteContext,
	metrics: ApiMetrics,
	isServing: () => boolean,
): readonly Route[] {
	const options = { timeoutMs: settings.statsTimeoutMs };
	const probe = { timeoutMs: settings.probeTimeoutMs };
	return [
		{
			method: "POST",
			path: "/purge-payments",
			admin: true,
			async handle() {
				const { purgeWaitMs } = settings;
				// A carrier may bring a request twice; the second one must not forget what came after the first.
				const { epoch } = await stats.figures({}, options);
				const purged = await stats.purge({ waitMs: purgeWaitMs, epoch }, { timeoutMs: purgeWaitMs + purgeSlackMs });
				return json(`{"forgotten":${purged.forgotten},"keptInDoubt":${purged.keptInDoubt}}`);
			},
		},
		{ method: "GET", path: "/healthz", handle: () => json('{"status":"alive"}') },
		{
			method: "GET",
			path: "/readyz",
			async handle() {
				if (!isServing()) return unavailable("This process is stopping, or the cache does not answer it.", settings);
				await stats.figures({}, probe);
				return json('{"status":"ready"}');
			},
		},
		{
			method: "GET",
			path: "/metrics",
			admin: true,
			async handle() {
				// While the cache is away this process's own counters are told all the same.
				const figures = await stats.figures({}, probe).catch(() => undefined);
				return new Response(await metrics.expose(figures), { headers: { "content-type": metrics.contentType } });
			},
		},
		{
			method: "GET",
			path: "/parked",
			admin: true,
			async handle(c) {
				const [pageSize = "", ...otherSizes] = c.req.queries("pageSize") ?? [];
				const [pageToken = "", ...otherTokens] = c.req.queries("pageToken") ?? [];
				const errors = [
					...((pageSize === "" || isPageSize(pageSize)) && otherSizes.length === 0 ? [] : [wrongPageSize]),
					...(pageToken.length > pageTokenMax || otherTokens.length > 0 ? [wrongPageToken] : []),
				];
				if (errors.length > 0) return invalidQuery(errors);
				// 0: as many as the cache gives where nothing is said.
				const asked = { pageSize: Number(pageSize), pageToken };
				const page = await stats.listParked(asked, options).catch(ifInvalid);
				// The size is right by now, and there is nothing else to refuse.
				if (!page) return invalidQuery([wrongPageToken]);
				const payments = page.payments.map(viewPayment);
				return json(JSON.stringify({ payments, nextPageToken: page.nextPageToken || undefined }));
			},
		},
		{
			method: "POST",
			path: "/payments/:id/resolution",
			admin: true,
			async handle(c) {
				const id = pathId(c);
				if (typeof id !== "string") return id;
				const text = await readJsonText(c.req.raw, resolutionBodyMaxBytes);
				if (typeof text !== "string") return text;
				const resolution = parseResolutionRequest(text);
				if ("kind" in resolution) return resolution;
				const { payment } = await stats.resolveParked({ id, ...resolution }, options);
				if (!payment) throw new Error("the cache answered without the payment");
				return json(JSON.stringify(viewPayment(payment)));
			},
		},
	];
}

function invalidQuery(errors: readonly { readonly parameter: string; readonly detail: string }[]) {
	return { kind: "invalid-query" as const, detail: "See errors for the parameters at fault.", errors };
}

/** Undefined where the cache refuses what it was asked for. */
function ifInvalid(error: unknown): undefined {
	if (ConnectError.from(error).code !== Code.InvalidArgument) throw error;
}
