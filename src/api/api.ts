// The relay's HTTP API: validates, forwards, answers, and keeps nothing. A plain fetch handler that any runtime can serve.
import type { Client } from "@connectrpc/connect";
import { Hono } from "hono";
import type { Clock } from "../clock.ts";
import type { StatsService } from "../gen/payrelay/v1/stats_service_pb.ts";
import { createAdminGate } from "./admin-key.ts";
import { adminRoutes } from "./admin-routes.ts";
import { readJsonText } from "./body.ts";
import { booksRoutes } from "./books-routes.ts";
import { createApiMetrics } from "./metrics.ts";
import { paymentBodyMaxBytes } from "./payment-request.ts";
import { type AcceptPayment, createAcceptPayment, type Enqueue } from "./payments-route.ts";
import { type Problem, problemResponse, problemStatus } from "./problem.ts";
import { resolutionBodyMaxBytes } from "./resolution-request.ts";
import { type ApiSettings, apiDefaults, problemOfError, type Route } from "./route.ts";

export interface ApiPorts {
	readonly enqueue: Enqueue;
	readonly stats: Client<typeof StatsService>;
	readonly clock: Pick<Clock, "monotonic">;
	/** Told of errors that nobody expected; the caller only learns that there was one. */
	readonly onFault: (error: unknown) => void;
	/** What the carrier of this process's calls has seen, by name. */
	readonly carrierCounters?: () => Readonly<Record<string, number>>;
	/** False from when the process begins to stop: load balancers then turn to another. */
	readonly isServing?: () => boolean;
}

/** With its length said, Node does not frame the empty body as chunks. */
const accepted = { status: 202, headers: { "content-length": "0" } };

export interface Api {
	readonly app: Hono;
	/** What the route POST /payments does with a body, for whoever has read one already; counted as it is there. */
	readonly acceptPayment: AcceptPayment;
}

/** The longest body that is read of a request with this target. */
export function bodyMaxBytes(target: string): number {
	return target.split("?", 1)[0] === "/payments" ? paymentBodyMaxBytes : resolutionBodyMaxBytes;
}

export function createApi(ports: ApiPorts, settings: ApiSettings = apiDefaults): Api {
	const { stats, clock, onFault, isServing = () => true } = ports;
	const metrics = createApiMetrics(ports.carrierCounters);
	const mayAdminister = createAdminGate(settings.adminKey);
	const context = { stats, settings };
	const app = new Hono();

	const fault = (error: unknown): Problem => {
		onFault(error);
		return { kind: "internal", detail: "The fault is on our side, and was noted." };
	};
	const answer = async (route: Route, c: Parameters<Route["handle"]>[0]): Promise<Response> => {
		let answer: Response | Problem;
		try {
			const refused = route.admin ? mayAdminister(c.req.header("authorization") ?? null) : undefined;
			answer = refused ?? (await route.handle(c));
		} catch (error) {
			answer = problemOfError(error, settings) ?? fault(error);
		}
		const response = answer instanceof Response ? answer : problemResponse(answer);
		metrics.countRequest(route.path, response.status);
		return response;
	};

	const accept = createAcceptPayment(ports.enqueue, settings.retryAfterS, fault);
	function acceptPayment(
		body: string,
		answer: (problem: Problem | undefined) => void,
		startedMs = clock.monotonic(),
	): void {
		accept(body, (problem) => {
			metrics.countPayment(problem ? problemStatus(problem.kind) : 202, clock.monotonic() - startedMs);
			answer(problem);
		});
	}
	async function answerPayment(request: Request): Promise<Problem | undefined> {
		const startedMs = clock.monotonic();
		const body = await readJsonText(request, paymentBodyMaxBytes);
		if (typeof body === "string") return new Promise((resolve) => acceptPayment(body, resolve, startedMs));
		metrics.countPayment(problemStatus(body.kind), clock.monotonic() - startedMs);
		return body;
	}
	// The hot path is one handler without middleware, which Hono then calls directly.
	app.post("/payments", async (c) => {
		const problem = await answerPayment(c.req.raw);
		return problem ? problemResponse(problem) : new Response(null, accepted);
	});

	const routes = [...booksRoutes(context), ...adminRoutes(context, metrics, isServing)];
	for (const route of routes) app.on(route.method, route.path, (c) => answer(route, c));

	const known = [{ method: "POST", path: "/payments" } as const, ...routes].map(({ method, path }) => ({
		method,
		pattern: new RegExp(`^${path.replace(/:[^/]+/g, "[^/]+")}$`),
	}));
	app.notFound((c) => {
		const methods = known.filter(({ pattern }) => pattern.test(c.req.path)).map(({ method }) => method);
		const allow = methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ");
		const problem: Problem =
			methods.length > 0
				? { kind: "method-not-allowed", detail: `Use ${methods.join(" or ")}.`, headers: { allow } }
				: { kind: "not-found", detail: "Look at the README for the paths that exist." };
		metrics.countRequest("other", problemStatus(problem.kind));
		return problemResponse(problem);
	});
	app.onError((error) => {
		metrics.countRequest("other", 500);
		return problemResponse(fault(error));
	});
	return { app, acceptPayment };
}
