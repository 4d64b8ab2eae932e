// Carries out what the state machine of a charge asks for, over the queue and the gateway, for one job under one lease.
//
// Nothing is pinned or sent once the lease is gone or the signal has aborted. A charge that happened is told to the queue
// again and again until that answers or the job's time is over; should that fail too, the lease runs out and the
// payment, in doubt, is read back and settled by whoever gets it next.
import { type Backoff, backoffMs } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import type { AttemptResult, Charge, Pin } from "../payment/life.ts";
import type { PinOutcome } from "../payment/outcome.ts";
import type { Processor } from "../payment/payment.ts";
import { type ChargeEffect, type ChargeEnd, type ChargeEvent, nextCharge, startCharge } from "./charge.ts";
import type { Hand, Hands } from "./hands.ts";
import { type Gateway, NoAnswer, type Proof, type Queue } from "./ports.ts";

export interface WorkPorts {
	readonly queue: Queue;
	readonly gateway: Gateway;
	readonly hands: Pick<Hands, "holds">;
	readonly clock: Clock;
	readonly random: () => number;
	/** Pauses between repeats of a settle or a release that got no answer. */
	readonly pause: Backoff;
	/** Is there a budget for another POST of a payment in doubt, and is the processor fit for it? It is spent if so. */
	mayRepeat(hand: Hand, processor: Processor): boolean;
	readonly watch: WorkWatch;
}

/** Told of what figures and limits are made of. */
export interface WorkWatch {
	/** Of every pin that was wanted, also where the lease was gone and the queue was not asked. */
	pinned(hand: Hand, processor: Processor, outcome: PinOutcome["outcome"] | "lost"): void;
	/** Of every duplicate that was read back: did the processor show the charge? */
	duplicate(hand: Hand, processor: Processor, shown: boolean): void;
	/** From the processor's answer to the ledger's commit, ms. */
	settled(processor: Processor, ms: number): void;
}

export async function work(
	hand: Hand,
	processor: Processor,
	ports: WorkPorts,
	signal: AbortSignal,
): Promise<ChargeEnd> {
	const { job } = hand;
	const mayRepeat = (): boolean => ports.mayRepeat(hand, processor);
	let step = startCharge(job, processor);
	while (step.effect) {
		const event = await carryOut(hand, step.effect, ports, signal);
		step = nextCharge(job, step.state, event, mayRepeat);
	}
	if (step.state.at !== "ended") throw new Error(`a job that is ${step.state.at} has nothing to do`);
	return step.state.end;
}

function carryOut(hand: Hand, effect: ChargeEffect, ports: WorkPorts, signal: AbortSignal): Promise<ChargeEvent> {
	switch (effect.do) {
		case "pin":
			return pin(hand, effect.processor, ports, signal);
		case "charge":
			return charge(hand, effect.pin, ports, signal);
		case "read_back":
			return readBack(hand, effect.processor, ports, signal);
		case "settle":
			return settle(hand, effect.charge, effect.proof, ports, signal);
		case "release":
			return release(hand, effect.result, ports, signal);
	}
}

async function pin(hand: Hand, processor: Processor, ports: WorkPorts, signal: AbortSignal): Promise<ChargeEvent> {
	const answer = await askForPin(hand, processor, ports, signal);
	ports.watch.pinned(hand, processor, answer.outcome);
	return { on: "pin", answer };
}

type PinAnswer = PinOutcome | { readonly outcome: "lost" };

function askForPin(
	hand: Hand,
	processor: Processor,
	ports: WorkPorts,
	signal: AbortSignal,
): Promise<PinAnswer> | PinAnswer {
	if (!ports.hands.holds(hand)) return { outcome: "fenced" };
	if (signal.aborted) return lost;
	hand.result = "not_charged";
	return ports.queue.pin(hand.job, processor, signal).catch(lostWithoutAnswer);
}

const lost: PinAnswer = { outcome: "lost" };

/** Whether it is on disk is not known, but nothing will be sent under it. */
function lostWithoutAnswer(error: unknown): PinAnswer {
	if (!(error instanceof NoAnswer)) throw error;
	return lost;
}

function charge(hand: Hand, pin: Pin, ports: WorkPorts, signal: AbortSignal): Promise<ChargeEvent> {
	// Stopped between pin and send: nothing left, and that is known.
	if (signal.aborted || !ports.hands.holds(hand))
		return Promise.resolve({ on: "charge", answer: { kind: "not_charged", why: "aborted" } });
	hand.sent = true;
	hand.result = "unknown";
	const { id, amountCents } = hand.job;
	const payment = { id, amountCents, requestedAtUs: pin.requestedAtUs };
	return ports.gateway.charge(pin.processor, payment, signal).then((answer) => {
		if (answer.kind === "not_charged") hand.result = "not_charged";
		return { on: "charge", answer };
	});
}

async function readBack(hand: Hand, processor: Processor, ports: WorkPorts, signal: AbortSignal): Promise<ChargeEvent> {
	if (signal.aborted) return { on: "read_back", answer: { kind: "no_answer" } };
	if (hand.result === "unasked") hand.result = "none";
	const answer = await ports.gateway.readBack(processor, hand.job.id, signal);
	// After a POST only a duplicate is read back. An abort of our own says nothing about the processor.
	if (hand.sent && !signal.aborted) ports.watch.duplicate(hand, processor, answer.kind === "found");
	return { on: "read_back", answer };
}

function settle(hand: Hand, charge: Charge, proof: Proof, ports: WorkPorts, signal: AbortSignal): Promise<ChargeEvent> {
	hand.ending = true;
	const answeredAtMs = ports.clock.monotonic();
	return untilAnswered(() => ports.queue.settle(hand.job, charge, proof), ports, signal).then((outcome) => {
		if (outcome === "settled") ports.watch.settled(charge.processor, ports.clock.monotonic() - answeredAtMs);
		return { on: "settle", answer: { outcome: outcome ?? "lost" } };
	});
}

async function release(hand: Hand, result: AttemptResult, ports: WorkPorts, signal: AbortSignal): Promise<ChargeEvent> {
	hand.ending = true;
	hand.result = result;
	const outcome = await untilAnswered(() => ports.queue.release(hand.job, result), ports, signal);
	return { on: "release", answer: { outcome: outcome ?? "lost" } };
}

/**
 * Repeats an idempotent call until it is answered; undefined where the signal has aborted before. Asks once at least.
 * Rejects where asking again is of no use.
 */
export function untilAnswered<T>(
	call: () => Promise<T>,
	ports: Pick<WorkPorts, "clock" | "random" | "pause">,
	signal: AbortSignal,
): Promise<T | undefined> {
	return call().catch((error) => askAgain(error, call, ports, signal));
}

async function askAgain<T>(
	error: unknown,
	call: () => Promise<T>,
	{ clock, random, pause }: Pick<WorkPorts, "clock" | "random" | "pause">,
	signal: AbortSignal,
): Promise<T | undefined> {
	for (let tries = 0; ; tries++) {
		if (!(error instanceof NoAnswer)) throw error;
		if (signal.aborted) return undefined;
		// An abort ends the sleep, and then the asking.
		await clock.sleep(backoffMs(pause, tries, random), signal).catch(() => undefined);
		if (signal.aborted) return undefined;
		try {
			return await call();
		} catch (again) {
			error = again;
		}
	}
}
