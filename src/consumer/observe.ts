// What the answers to charges say: to the limiter about load, to the breaker about health, to the latencies about time.
import type { Clock } from "../clock.ts";
import type { Processor } from "../payment/payment.ts";
import type { Breaker } from "./breaker.ts";
import type { Latencies } from "./latency.ts";
import type { Limiter, LoadSign } from "./limiter.ts";
import type { ChargeAnswer, Gateway } from "./ports.ts";

/** A full processor says 429, or lets its callers wait beyond their deadline. */
export function loadSign(answer: ChargeAnswer): LoadSign {
	switch (answer.kind) {
		case "charged":
		case "duplicate":
			return "good";
		case "not_charged":
			return answer.why === "too_many" ? "overload" : "neutral";
		case "unknown":
			return answer.why === "timeout" ? "overload" : "neutral";
	}
}

/** An abort of our own says nothing about the processor; one that turns charges away does not charge either. */
export function breakerSign(answer: ChargeAnswer): "success" | "failure" | undefined {
	switch (answer.kind) {
		case "charged":
		case "duplicate":
			return "success";
		case "not_charged":
			return "failure";
		case "unknown":
			return answer.why === "aborted" ? undefined : "failure";
	}
}

export function withLimiter(gateway: Gateway, limiters: Readonly<Record<Processor, Limiter>>, clock: Clock): Gateway {
	return {
		...gateway,
		async charge(processor, payment, signal) {
			const sentAtMs = clock.monotonic();
			const answer = await gateway.charge(processor, payment, signal);
			limiters[processor].observe(loadSign(answer), clock.monotonic() - sentAtMs);
			return answer;
		},
	};
}

export function withBreaker(gateway: Gateway, breakers: Readonly<Record<Processor, Breaker>>): Gateway {
	return {
		...gateway,
		async charge(processor, payment, signal) {
			const answer = await gateway.charge(processor, payment, signal);
			const sign = breakerSign(answer);
			if (sign) breakers[processor].record(sign, payment.id);
			return answer;
		},
	};
}

/** Measures what charges take that the processor carried out, or said no to after its delay. */
export function withMeasure(
	gateway: Gateway,
	latencies: Readonly<Record<Processor, Latencies>>,
	clock: Clock,
): Gateway {
	return {
		...gateway,
		async charge(processor, payment, signal) {
			const sentAtMs = clock.monotonic();
			const answer = await gateway.charge(processor, payment, signal);
			const told = answer.kind === "charged" || (answer.kind === "not_charged" && answer.why === "failing");
			if (told) latencies[processor].add(clock.monotonic() - sentAtMs);
			return answer;
		},
	};
}
