// The part of GET /metrics that consumers say of themselves: one series a consumer, named by its session.
import { Counter, Gauge, type Registry } from "prom-client";
import type { ConsumerFigures, Quantiles } from "../gen/payrelay/v1/stats_service_pb.ts";
import { breakerWords, processorWords } from "../rpc/words.ts";

const ends = ["settled", "unsettled", "refused", "released", "fenced", "failed", "abandoned"] as const;

/** Each call shows these consumers and no others. */
export function createConsumerMetrics(registry: Registry): (consumers: readonly ConsumerFigures[]) => void {
	const registers = [registry];
	const gauge = <Label extends string = never>(name: string, help: string, ...labels: Label[]) =>
		new Gauge({ name: `payrelay_consumer_${name}`, help, labelNames: ["session", ...labels], registers });
	const counter = <Label extends string>(name: string, help: string, label: Label) =>
		new Counter({ name: `payrelay_consumer_${name}_total`, help, labelNames: ["session", label], registers });
	const inHand = gauge("jobs", "Jobs under a lease at the consumer.");
	const waiting = gauge("jobs_waiting", "Of these, payments that wait for a slot at a processor.");
	const attempts = counter("attempts", "Attempts since the consumer started, first ones and retries.", "kind");
	const ended = counter("jobs_ended", "Jobs that have ended since the consumer started, by how.", "end");
	const toCommit = gauge("answer_to_commit_seconds", "From a processor's answer to the ledger's commit.", "quantile");
	const charge = gauge("charge_seconds", "What charges took of late.", "processor", "quantile");
	const inFlight = gauge("in_flight", "Charges and read-backs open at the processor.", "processor");
	const limit = gauge("in_flight_limit", "How many the consumer has found may be open.", "processor");
	const breaker = gauge("breaker", "1 for the state that the processor's breaker is in.", "processor", "state");
	const all = [inHand, waiting, attempts, ended, toCommit, charge, inFlight, limit, breaker];

	function showQuantiles(show: (quantile: string, seconds: number) => void, shown: Quantiles | undefined): void {
		show("0.5", (shown?.p50Ms ?? 0) / 1000);
		show("0.99", (shown?.p99Ms ?? 0) / 1000);
	}

	return (consumers) => {
		for (const metric of all) metric.reset();
		for (const one of consumers) {
			const session = one.sessionId;
			inHand.set({ session }, one.inHand);
			waiting.set({ session }, one.waiting);
			attempts.inc({ session, kind: "first" }, Number(one.firsts));
			attempts.inc({ session, kind: "retry" }, Number(one.retries));
			for (const end of ends) ended.inc({ session, end }, Number(one.ends?.[end] ?? 0n));
			showQuantiles((quantile, seconds) => toCommit.set({ session, quantile }, seconds), one.answerToCommit);
			for (const site of one.sites) {
				const processor = processorWords.word(site.processor);
				if (processor === undefined) continue;
				inFlight.set({ session, processor }, site.inFlight);
				limit.set({ session, processor }, site.limit);
				showQuantiles((quantile, seconds) => charge.set({ session, processor, quantile }, seconds), site.charge);
				for (const [state, code] of Object.entries(breakerWords.code))
					breaker.set({ session, processor, state }, site.breaker === code ? 1 : 0);
			}
		}
	};
}
