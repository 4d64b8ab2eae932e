// Deadlines for calls to processors: long enough for the delay that is announced and measured, within two bounds.
//
// A charge whose caller gave up happens all the same when the processor's delay ends, so a deadline shorter than that
// delay only turns knowledge into doubt.
import type { Clock } from "../clock.ts";
import type { Processor } from "../payment/payment.ts";
import { type Cutoff, createDeadlines } from "./cutoff.ts";
import type { ChargeAnswer, Gateway } from "./ports.ts";

export interface DeadlineSettings {
	readonly chargeMinMs: number;
	readonly chargeMaxMs: number;
	/** Deadline of a charge: this times the longer of the announced and the measured delay, and `marginMs`. */
	readonly factor: number;
	readonly marginMs: number;
	readonly readBackMs: number;
	/** A processor makes a caller wait for its turn for up to 5 s. */
	readonly healthMs: number;
}

export const deadlineDefaults: DeadlineSettings = {
	chargeMinMs: 6_000,
	chargeMaxMs: 20_000,
	factor: 2,
	marginMs: 1_000,
	readBackMs: 1_500,
	healthMs: 6_000,
};

/** All ms: the delay that the processor last announced, and the 99th percentile of what its charges took of late. */
export function chargeDeadlineMs(announcedMs: number, measuredMs: number, settings: DeadlineSettings): number {
	const wantedMs = settings.factor * Math.max(announcedMs, measuredMs) + settings.marginMs;
	return Math.min(Math.max(wantedMs, settings.chargeMinMs), settings.chargeMaxMs);
}

/** The gateway, with every call aborted at its deadline; a charge that ran into it is told from one that was aborted. */
export function withDeadline(
	gateway: Gateway,
	chargeMs: (processor: Processor) => number,
	{ readBackMs, healthMs }: Pick<DeadlineSettings, "readBackMs" | "healthMs">,
	clock: Clock,
): Gateway {
	const start = createDeadlines(clock);

	/** A gateway's calls never reject. */
	function within<T>(ms: number, outer: Cutoff, call: (cutoff: Cutoff) => Promise<T>): Promise<T> {
		const deadline = start(ms, outer);
		return call(deadline).then((answer) => {
			deadline.end();
			return answer;
		});
	}

	return {
		charge(processor, payment, outer) {
			const deadline = start(chargeMs(processor), outer);
			return gateway.charge(processor, payment, deadline).then((answer) => {
				deadline.end();
				return deadline.late ? ofLate(answer) : answer;
			});
		},
		readBack: (processor, id, outer) => within(readBackMs, outer, (cutoff) => gateway.readBack(processor, id, cutoff)),
		health: (processor, outer) => within(healthMs, outer, (cutoff) => gateway.health(processor, cutoff)),
	};
}

/** Its time was over before it was answered, or before there was a connection. */
function ofLate(answer: ChargeAnswer): ChargeAnswer {
	if (answer.kind === "unknown" && answer.why === "aborted") return { kind: "unknown", why: "timeout" };
	if (answer.kind === "not_charged" && answer.why === "aborted") return { kind: "not_charged", why: "refused" };
	return answer;
}
