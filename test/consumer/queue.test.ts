import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { NoAnswer } from "../../src/consumer/ports.ts";
import { connectQueue } from "../../src/consumer/queue.ts";
import { SettleOutcome, StatsService } from "../../src/gen/payrelay/v1/stats_service_pb.ts";
import { settleBatches } from "../../src/rpc/batch-methods.ts";
import { serveBatches } from "../../src/rpc/batch-server.ts";
import { createFakeClock } from "../fake-clock.ts";
import { connectMemory } from "../rpc/memory.ts";
import { makeJob, never, sentAtUs } from "./harness.ts";

const charge = { processor: "default", amountCents: 1990n, requestedAtUs: sentAtUs } as const;

function setup() {
	const clock = createFakeClock();
	const transport = connectMemory((router) => {
		router.service(StatsService, {
			insertStatsStream: serveBatches(settleBatches, async (settlements) => {
				if (settlements.some(({ epoch }) => epoch === 13n))
					throw new ConnectError("no such epoch", Code.InvalidArgument);
				if (settlements.some(({ epoch }) => epoch === 0n)) return never();
				return settlements.map(() => SettleOutcome.SETTLED);
			}),
		});
	});
	const { queue, close } = connectQueue(
		transport,
		clock,
		() => 0.5,
		() => {},
	);
	const settle = (epoch: bigint) =>
		queue.settle(makeJob(1, { epoch }), charge, "charged").catch((error: unknown) => error);
	return { clock, settle, close };
}

test("a call without an answer may be asked again; one that the queue refuses to understand may not", async () => {
	const { clock, settle, close } = setup();
	await clock.settle();
	expect(await settle(1n)).toBe("settled");
	const refused = settle(13n);
	await clock.advance(500);
	expect(await refused).not.toBeInstanceOf(NoAnswer);
	expect(await refused).toMatchObject({ code: Code.InvalidArgument });
	const silent = settle(0n);
	await clock.advance(3_000);
	expect(await silent).toBeInstanceOf(NoAnswer);
	const closed = close(0);
	await clock.advance(10);
	await closed;
});
