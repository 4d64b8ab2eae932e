import { expect, test } from "vitest";
import * as payment from "../../src/gen/payrelay/v1/payment_pb.ts";
import * as queue from "../../src/gen/payrelay/v1/queue_service_pb.ts";
import * as stats from "../../src/gen/payrelay/v1/stats_service_pb.ts";
import * as all from "../../src/rpc/words.ts";

const enums = [
	[payment.ProcessorSchema, all.processorWords],
	[payment.PaymentStateSchema, all.paymentStateWords],
	[queue.EnqueueOutcomeSchema, all.enqueueWords],
	[queue.PinOutcomeSchema, all.pinWords],
	[queue.ReleaseOutcomeSchema, all.releaseWords],
	[queue.AttemptResultSchema, all.attemptResultWords],
	[stats.SettleOutcomeSchema, all.settleWords],
	[stats.AttemptStateSchema, all.attemptStateWords],
	[stats.DecisionSchema, all.decisionWords],
	[stats.ProofSchema, all.proofWords],
	[stats.BreakerStateSchema, all.breakerWords],
] as const;

test.each(
	enums.map(([schema, words]) => [schema.name, schema, words] as const),
)("every value of %s that is ever sent has one word, and nothing else has any", (_, schema, words) => {
	const sent = schema.values.map(({ number }) => number).filter((number) => number !== 0);
	const code: Readonly<Record<string, number>> = words.code;
	expect(sent.map((number) => code[words.known(number)])).toEqual(sent);
	expect(Object.values(code).toSorted()).toEqual(sent.toSorted());
	for (const number of [0, -1, 99]) {
		expect(words.word(number)).toBeUndefined();
		expect(() => words.known(number)).toThrow(/is not known/);
	}
});
