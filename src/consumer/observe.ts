// What the answers to charges say: to the limiter about load, to the breaker about health, to the latencies about time.
import type { Clock } from "../clock.ts";
import type { Board, Site } from "./board.ts";
import type { BreakerSign } from "./breaker.ts";
import type { LoadSign } from "./limiter.ts";
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

/**
 * An abort of our own says nothing about the processor; one that turns charges away does not charge either. What a
 * duplicate says is known once it was read back.
 */
export function breakerSign(answer: ChargeAnswer): BreakerSign | undefined {
	switch (answer.kind) {
		case "charged":
			return "charged";
		case "duplicate":
			return undefined;
		case "not_charged":
			return answer.why === "aborted" ? undefined : "not_charged";
		case "unknown":
			return answer.why === "aborted" ? undefined : "unknown";
	}
}

/** What charges take counts where the processor carried them out, or said no to them after its delay. */
function tellsLatency(answer: ChargeAnswer): boolean {
	return answer.kind === "charged" || (answer.kind === "not_charged" && answer.why === "failing");
}

/** Tells all that is known of a processor what the answer to a charge of the payment with this id says, and after how long. */
export function observe(site: Site, answer: ChargeAnswer, tookMs: number, id: string): void {
	if (tellsLatency(answer)) site.latencies.add(tookMs);
	site.limiter.observe(loadSign(answer), tookMs);
	const sign = breakerSign(answer);
	if (sign) site.breaker.record(sign, id);
	if (answer.kind === "charged") site.charged();
}

/** One that calls every payment a duplicate and cannot show a charge leaves each of them in doubt. */
export function observeDuplicate(site: Site, shown: boolean, id: string): void {
	site.breaker.record(shown ? "charged" : "unknown", id);
	if (shown) site.charged();
}

/** The gateway, with the board told of every answer to a charge. */
export function withBoard(gateway: Gateway, board: Board, clock: Clock): Gateway {
	return {
		...gateway,
		charge(processor, payment, cutoff) {
			const sentAtMs = clock.monotonic();
			return gateway.charge(processor, payment, cutoff).then((answer) => {
				observe(board[processor], answer, clock.monotonic() - sentAtMs, payment.id);
				return answer;
			});
		},
	};
}
