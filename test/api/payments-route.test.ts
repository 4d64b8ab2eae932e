// What a shop is told, by what is known of its payment, and what is noted as unexpected.
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createAcceptPayment, type Enqueue } from "../../src/api/payments-route.ts";
import type { Problem } from "../../src/api/problem.ts";
import { EnqueueOutcome } from "../../src/gen/payrelay/v1/queue_service_pb.ts";

const body = '{"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3","amount":19.90}';

async function tell(enqueue: Enqueue): Promise<{ kind: string | undefined; faults: number }> {
	let faults = 0;
	const fault = (): Problem => {
		faults++;
		return { kind: "internal-error", detail: "" } as unknown as Problem;
	};
	const accept = createAcceptPayment(enqueue, 1, fault);
	const problem = await new Promise<Problem | undefined>((answer) => accept(body, answer));
	return { kind: problem?.kind, faults };
}

test.each([
	[EnqueueOutcome.ACCEPTED, undefined, 0],
	[EnqueueOutcome.REPEATED, undefined, 0],
	[EnqueueOutcome.CONFLICT, "payment-conflict", 0],
	[EnqueueOutcome.FULL, "queue-full", 0],
	[EnqueueOutcome.UNSPECIFIED, "unavailable", 1],
	[99 as EnqueueOutcome, "unavailable", 1],
])("an outcome of %i", async (outcome, kind, faults) => {
	expect(await tell(async () => outcome)).toEqual({ kind, faults });
});

test.each([
	[Code.ResourceExhausted, "queue-full", 0],
	[Code.Unavailable, "unavailable", 0],
	[Code.DeadlineExceeded, "unavailable", 0],
	[Code.Canceled, "unavailable", 0],
	[Code.Internal, "unavailable", 1],
])("a call that fails with code %i", async (code, kind, faults) => {
	expect(await tell(() => Promise.reject(new ConnectError("", code)))).toEqual({ kind, faults });
	if (code === Code.Internal) expect(await tell(() => Promise.reject(new Error()))).toEqual({ kind, faults });
});

test("a mistake in the program is told as one, and the payment is not said to be accepted", async () => {
	const { kind, faults } = await tell(() => {
		throw new Error("not a promise");
	});
	expect([kind === undefined, faults]).toEqual([false, 1]);
});
