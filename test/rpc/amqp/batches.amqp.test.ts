// A batch of unary requests that waited in the broker is one commit of the store.
import { createClient } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { createCache } from "../../../src/cache/cache.ts";
import { createStore } from "../../../src/cache/store/group-commit.ts";
import { createMemoryRows } from "../../../src/cache/store/memory-rows.ts";
import { systemClock } from "../../../src/clock.ts";
import { EnqueueOutcome, QueueService } from "../../../src/gen/payrelay/v1/queue_service_pb.ts";
import { edgeInterceptors } from "../../../src/rpc/edge.ts";
import { createValidation } from "../../../src/rpc/validate.ts";
import { brokerInstalled } from "../../amqp/broker.ts";
import { storeSettings } from "../../cache/dispatch-lab.ts";
import { report } from "../../system/conditions.ts";
import { createAmqpLab, eventually } from "./lab.ts";

const payments = 64;

async function commitsFor(batches: Record<string, { sizeMax: number; waitMs: number }>): Promise<number> {
	const lab = createAmqpLab();
	const rows = createMemoryRows();
	let commits = 0;
	const counted = {
		...rows,
		commit() {
			commits++;
			rows.commit();
		},
	};
	const turnEnds = () => new Promise<void>((resolve) => setImmediate(resolve));
	const store = createStore(counted, storeSettings, { clock: systemClock, turnEnds });
	const cache = createCache({ store, clock: systemClock, settings: storeSettings, onFailed() {} });
	const options = {
		routes: cache.routes,
		interceptors: edgeInterceptors(createValidation(), () => {}),
		batches,
	};
	try {
		// The queue is there, and nobody serves it yet.
		await (await lab.serve(options)).server.close(1000);
		const { rpc } = lab.client();
		const queue = createClient(QueueService, rpc.transport);
		const calls = Array.from({ length: payments }, (_, n) =>
			queue.enqueue({ id: crypto.randomUUID(), amountCents: BigInt(n + 1) }),
		);
		await eventually(() => rpc.counters.calls === payments);
		const raw = await lab.raw();
		await eventually(
			async () => (await raw.checkQueue(`${lab.namespace}.rpc.${QueueService.typeName}`)).messageCount === payments,
		);
		const before = commits;
		await lab.serve(options);
		for (const { outcome } of await Promise.all(calls)) expect(outcome).toBe(EnqueueOutcome.ACCEPTED);
		return commits - before;
	} finally {
		await lab.close();
		await cache.close();
	}
}

describe.skipIf(!brokerInstalled)("Enqueue over a broker", () => {
	test("a batch of requests that waited in the queue is one commit of the store", async () => {
		const path = "/payrelay.v1.QueueService/Enqueue";
		const oneByOne = await commitsFor({});
		const byHalves = await commitsFor({ [path]: { sizeMax: payments / 2, waitMs: 20_000 } });
		const together = await commitsFor({ [path]: { sizeMax: payments, waitMs: 20_000 } });
		report(
			`${payments} requests that waited: ${oneByOne} commits without a rule, ${byHalves} and ${together} in batches`,
		);
		// Two batches that begin in one turn are one commit as well.
		expect(byHalves).toBeLessThanOrEqual(2);
		expect(together).toBe(1);
	});
});
