// One job, from lease to end, as a pure state machine: what to do next, given what was heard.
//
// A payment without a pin: pin it to the chosen processor, on disk; only then POST it, once; then settle it, or give
// it back with what is known. A payment in doubt: first ask its processor whether it has it; only when it says that it
// has not, commit another attempt and POST again, with the same `requestedAt`. 422 means charged: read back what was
// recorded, and settle with that. One lease makes at most one POST, so the lease's token names the attempt.
import type { AttemptResult, Charge, Pin } from "../payment/life.ts";
import type { PinOutcome, SettleOutcome } from "../payment/outcome.ts";
import type { Processor } from "../payment/payment.ts";
import type { ChargeAnswer, Job, Proof, ReadBackAnswer } from "./ports.ts";

/** What the driver is to do; it answers each with the event of the same name. */
export type ChargeEffect =
	| { readonly do: "pin"; readonly processor: Processor }
	| { readonly do: "charge"; readonly pin: Pin }
	| { readonly do: "read_back"; readonly processor: Processor }
	| { readonly do: "settle"; readonly charge: Charge; readonly proof: Proof }
	| { readonly do: "release"; readonly result: AttemptResult };

export type ChargeEvent =
	/** `lost`: no answer came. Whether the pin is on disk is not known, but nothing was sent. */
	| { readonly on: "pin"; readonly answer: PinOutcome | { readonly outcome: "lost" } }
	| { readonly on: "charge"; readonly answer: ChargeAnswer }
	| { readonly on: "read_back"; readonly answer: ReadBackAnswer }
	| { readonly on: "settle"; readonly answer: { readonly outcome: SettleOutcome | "lost" } }
	| { readonly on: "release"; readonly answer: { readonly outcome: "released" | "fenced" | "lost" } };

/** How a job ended, for figures and logs. */
export type ChargeEnd = "settled" | "unsettled" | "refused" | "released" | "fenced";

export type ChargeState =
	| { readonly at: "pinning"; readonly processor: Processor }
	| { readonly at: "charging"; readonly pin: Pin }
	/** `sent`: under this lease a POST has left, so what is not known is the outcome of that. */
	| { readonly at: "reading_back"; readonly processor: Processor; readonly sent: boolean }
	| { readonly at: "settling" }
	| { readonly at: "releasing" }
	| { readonly at: "ended"; readonly end: ChargeEnd };

export type ChargeStep = { readonly state: ChargeState; readonly effect?: ChargeEffect };

/**
 * The first step. `processor` is where a slot was taken; for a payment in doubt it must be the pinned one.
 */
export function startCharge(job: Job, processor: Processor): ChargeStep {
	if (!job.pin) return { state: { at: "pinning", processor }, effect: { do: "pin", processor } };
	if (job.pin.processor !== processor) throw new Error(`payment ${job.id} may be charged at ${job.pin.processor} only`);
	return { state: { at: "reading_back", processor, sent: false }, effect: { do: "read_back", processor } };
}

/** The next step. `mayRepeat` is asked only before another POST for a payment in doubt: is there a budget for it? */
export function nextCharge(job: Job, state: ChargeState, event: ChargeEvent, mayRepeat: () => boolean): ChargeStep {
	switch (state.at) {
		case "pinning":
			if (event.on === "pin") return pinned(state.processor, event.answer);
			break;
		case "charging":
			if (event.on === "charge") return charged(job, state.pin, event.answer);
			break;
		case "reading_back":
			if (event.on === "read_back") return readBack(state, event.answer, mayRepeat);
			break;
		case "settling":
			if (event.on === "settle") return end(settleEnds[event.answer.outcome]);
			break;
		case "releasing":
			if (event.on === "release") return end(event.answer.outcome === "released" ? "released" : "fenced");
	}
	throw new Error(`a job that is ${state.at} heard of ${event.on}`);
}

function pinned(processor: Processor, answer: PinOutcome | { readonly outcome: "lost" }): ChargeStep {
	switch (answer.outcome) {
		case "pinned": {
			const pin = { processor, requestedAtUs: answer.requestedAtUs };
			return { state: { at: "charging", pin }, effect: { do: "charge", pin } };
		}
		case "fenced":
			return end("fenced");
		case "lost":
			return release("not_charged");
		case "no_slot":
		case "purging":
		case "pinned_elsewhere":
			return release("none");
	}
}

function charged(job: Job, pin: Pin, answer: ChargeAnswer): ChargeStep {
	switch (answer.kind) {
		case "charged":
			return settle({ ...pin, amountCents: job.amountCents }, "charged");
		case "duplicate":
			return {
				state: { at: "reading_back", processor: pin.processor, sent: true },
				effect: { do: "read_back", processor: pin.processor },
			};
		case "not_charged":
			return release("not_charged");
		case "unknown":
			return release("unknown");
	}
}

function readBack(
	state: ChargeState & { at: "reading_back" },
	answer: ReadBackAnswer,
	mayRepeat: () => boolean,
): ChargeStep {
	if (answer.kind === "found") return settle(answer.charge, "read_back");
	if (state.sent) return release("unknown");
	if (answer.kind === "no_answer" || !mayRepeat()) return release("none");
	const { processor } = state;
	return { state: { at: "pinning", processor }, effect: { do: "pin", processor } };
}

const settleEnds: Record<SettleOutcome | "lost", ChargeEnd> = {
	settled: "settled",
	repeated: "settled",
	stale: "fenced",
	refused: "refused",
	lost: "unsettled",
};

function settle(charge: Charge, proof: Proof): ChargeStep {
	return { state: { at: "settling" }, effect: { do: "settle", charge, proof } };
}

function release(result: AttemptResult): ChargeStep {
	return { state: { at: "releasing" }, effect: { do: "release", result } };
}

function end(how: ChargeEnd): ChargeStep {
	return { state: { at: "ended", end: how } };
}
