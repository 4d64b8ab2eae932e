// A batch client's calls after the server has refused a batch: each goes alone until it is known which is at fault.
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { EnqueueOutcome } from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import { createCalls } from "../../src/rpc/batch-client-calls.ts";
import { enqueueBatches } from "../../src/rpc/batch-methods.ts";
import { createFakeClock } from "../fake-clock.ts";
import { payment } from "./batch-lab.ts";

function refusal(): ConnectError {
	return Object.assign(new ConnectError("one of them is bad", Code.InvalidArgument), { isWireError: true });
}

test("what was in flight goes alone and first, one at a time, until each has ended; then there are batches again", async () => {
	const calls = createCalls(enqueueBatches, createFakeClock(), 10, () => new ConnectError("late"));
	const given = new AbortController();
	const add = (n: number, signal?: AbortSignal) =>
		calls.add(payment(n), 1_000, signal).catch(({ code }: ConnectError) => code);
	const take = (idle: boolean) => calls.take(1_024, idle) ?? [];
	const amounts = (taken: ReturnType<typeof take>) => taken.map(({ item }) => Number(item.amountCents));

	const outcomes = [add(1), add(2), add(3, given.signal), add(4)];
	const refused = take(true);
	expect(amounts(refused)).toEqual([1, 2, 3, 4]);
	calls.answer(refused[0]!, EnqueueOutcome.ACCEPTED);
	outcomes.push(add(5), add(6));
	calls.putBack(refused, refusal());

	const second = take(true);
	expect(amounts(second)).toEqual([2]);
	expect(take(false)).toEqual([]);
	calls.putBack(second, refusal());
	given.abort();
	const fourth = take(true);
	expect(amounts(fourth)).toEqual([4]);
	calls.answer(fourth[0]!, EnqueueOutcome.REPEATED);

	const others = take(false);
	expect(amounts(others)).toEqual([5, 6]);
	for (const call of others) calls.answer(call, EnqueueOutcome.ACCEPTED);
	expect(await Promise.all(outcomes)).toEqual([1, Code.InvalidArgument, Code.Canceled, 2, 1, 1]);
	expect(calls).toMatchObject({ waiting: 0, unsettled: 0, batchesSent: 4, itemsRepeated: 2 });
});
