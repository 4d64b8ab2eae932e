// An API over a cache made for tests: payments in a map, and a StatsService whose answers a test sets.
import {
	type Client,
	Code,
	ConnectError,
	createClient,
	createRouterTransport,
	type ServiceImpl,
} from "@connectrpc/connect";
import { createApi } from "../../src/api/api.ts";
import type { Enqueue } from "../../src/api/payments-route.ts";
import { type ApiSettings, apiDefaults } from "../../src/api/route.ts";
import { systemClock } from "../../src/clock.ts";
import { EnqueueOutcome } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import { StatsService } from "../../src/gen/payrelay/v1/stats_service_pb.ts";

/** Keeps what was enqueued, and tells repeated from conflicting, as the contract says. */
export function createFakeQueue(): { enqueue: Enqueue; amounts: Map<string, bigint> } {
	const amounts = new Map<string, bigint>();
	const enqueue: Enqueue = async ({ id, amountCents }) => {
		const known = amounts.get(id);
		if (known === undefined) amounts.set(id, amountCents);
		if (known === undefined) return EnqueueOutcome.ACCEPTED;
		return known === amountCents ? EnqueueOutcome.REPEATED : EnqueueOutcome.CONFLICT;
	};
	return { enqueue, amounts };
}

/** Calls that the test does not give are UNIMPLEMENTED, but for a payment, which nobody knows. */
export function fakeStats(service: Partial<ServiceImpl<typeof StatsService>> = {}): Client<typeof StatsService> {
	const unknown = (): never => {
		throw new ConnectError("no such payment", Code.NotFound);
	};
	return createClient(
		StatsService,
		createRouterTransport(({ service: serve }) => serve(StatsService, { getPayment: unknown, ...service })),
	);
}

interface Given {
	enqueue?: Enqueue;
	stats?: Partial<ServiceImpl<typeof StatsService>>;
	settings?: Partial<ApiSettings>;
	isServing?: () => boolean;
	carrierCounters?: () => Readonly<Record<string, number>>;
}

/** An API with what a test cares about, and the faults that it reported. */
export function given({
	enqueue = createFakeQueue().enqueue,
	stats = {},
	settings = {},
	isServing = () => true,
	carrierCounters = () => ({}),
}: Given = {}) {
	const faults: unknown[] = [];
	const onFault = (error: unknown) => faults.push(error);
	const ports = { enqueue, stats: fakeStats(stats), clock: systemClock, onFault, isServing, carrierCounters };
	const { app: api } = createApi(ports, { ...apiDefaults, ...settings });
	const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
		api.request(path, {
			method: "POST",
			headers: { "content-type": "application/json", ...headers },
			body: typeof body === "string" ? body : JSON.stringify(body),
		});
	return { api, post, faults };
}

/** A call that fails with the code, and a message that no caller may see. */
export const fail = (code: Code) => (): never => {
	throw new ConnectError("secret detail", code);
};
