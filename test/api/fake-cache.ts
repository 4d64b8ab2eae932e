// A cache for the API's tests: payments in a map, and a StatsService whose answers a test can set.
import {
	type Client,
	Code,
	ConnectError,
	createClient,
	createRouterTransport,
	type ServiceImpl,
} from "@connectrpc/connect";
import type { Enqueue } from "../../src/api/payments-route.ts";
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
