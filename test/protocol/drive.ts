// Drives one job of a simulated consumer: with the consumer's own driver, or with a plain one around its state machine.
//
// The plain one also runs broken machines, and does not look at what it knows of its lease between pin and POST other
// than through `holds`; the consumer's own is the code that moves money.
import type { Clock } from "../../src/clock.ts";
import type { ChargeEnd, ChargeEvent, ChargeStep } from "../../src/consumer/charge.ts";
import type { Cutoff } from "../../src/consumer/cutoff.ts";
import type { Hand } from "../../src/consumer/hands.ts";
import { NoAnswer } from "../../src/consumer/ports.ts";
import { work } from "../../src/consumer/work.ts";
import type { ReleaseOutcome, SettleOutcome } from "../../src/payment/outcome.ts";
import type { Processor } from "../../src/payment/payment.ts";
import type { CallPorts, Calls } from "./calls.ts";

export interface DriveContext {
	readonly ports: CallPorts;
	readonly calls: Calls;
	readonly clock: Clock;
	readonly holds: (hand: Hand) => boolean;
	/** Tells the trace what comes next, and does it, unless the process ends before. */
	readonly beforeStep: (what: () => string, act: () => void) => void;
	/** How long the job may take. */
	readonly deadlineMs: number;
}

export type Driver = (hand: Hand, processor: Processor, context: DriveContext, ended: (end: ChargeEnd) => void) => void;

const repeatMaxMs = 60;

export const drive: Driver = (hand, processor, { ports, calls, clock, holds, beforeStep, deadlineMs }, ended) => {
	const { world, weather, mutant } = ports;
	const { job } = hand;
	const untilMs = clock.monotonic() + deadlineMs;
	const mayRepeat = () => !world.chaos || world.prng.chance(weather.mayRepeat);

	function carryOn({ state, effect }: ChargeStep): void {
		if (state.at === "ended") {
			ended(state.end);
			return;
		}
		if (!effect) throw new Error(`a job that is ${state.at} has nothing to do`);
		const hear = (event: ChargeEvent) => carryOn(mutant.nextCharge(job, state, event, mayRepeat));
		beforeStep(
			() => `${job.id}#${job.token} ${JSON.stringify(effect, text)}`,
			() => carryOut(effect, hear),
		);
	}

	function carryOut(effect: NonNullable<ChargeStep["effect"]>, hear: (event: ChargeEvent) => void): void {
		switch (effect.do) {
			case "pin":
				if (!holds(hand)) hear({ on: "pin", answer: { outcome: "fenced" } });
				else calls.pin(job, effect.processor, (answer) => hear({ on: "pin", answer: answer ?? { outcome: "lost" } }));
				break;
			case "charge":
				if (!holds(hand)) hear({ on: "charge", answer: { kind: "not_charged", why: "refused" } });
				else calls.charge(job, effect.pin, (answer) => hear({ on: "charge", answer }));
				break;
			case "read_back":
				calls.readBack(job.id, effect.processor, (answer) => hear({ on: "read_back", answer }));
				break;
			case "settle":
				untilAnswered<SettleOutcome>(
					(heard) => calls.settle(job, effect.charge, heard),
					(outcome) => hear({ on: "settle", answer: { outcome: outcome ?? "lost" } }),
				);
				break;
			case "release":
				untilAnswered<ReleaseOutcome>(
					(heard) => calls.release(job, effect.result, heard),
					(outcome) => hear({ on: "release", answer: { outcome: outcome ?? "lost" } }),
				);
		}
	}

	function untilAnswered<T>(
		ask: (heard: (answer: T | undefined) => void) => void,
		heard: (answer: T | undefined) => void,
	): void {
		ask((answer) => {
			if (answer !== undefined || clock.monotonic() > untilMs) heard(answer);
			else clock.after(world.prng.between(5, repeatMaxMs), () => untilAnswered(ask, heard));
		});
	}

	carryOn(mutant.startCharge(job, processor));
};

export const driveForReal: Driver = (
	hand,
	processor,
	{ ports, calls, clock, holds, beforeStep, deadlineMs },
	ended,
) => {
	const { world, weather } = ports;
	const { prng } = world;
	const name = `${hand.job.id}#${hand.job.token}`;
	const controller = new AbortController();
	const cancel = clock.after(deadlineMs, () => controller.abort(new Error("the job's deadline")));

	/** A step whose answer is a promise's; without an answer it rejects. */
	function step<T>(what: () => string, ask: (heard: (answer: T | undefined) => void) => void): Promise<T> {
		return new Promise((resolve, reject) => {
			const heard = (answer: T | undefined): void => {
				world.touch();
				if (answer === undefined) reject(new NoAnswer("no answer"));
				else resolve(answer);
			};
			beforeStep(
				() => `${name} ${what()}`,
				() => ask(heard),
			);
		});
	}
	/** As a gateway does it: the caller's abort ends the waiting, not the request. */
	function orAborted<T>(answer: Promise<T>, signal: Cutoff, aborted: T): Promise<T> {
		return new Promise((resolve) => {
			const abort = () => resolve(aborted);
			signal.addEventListener("abort", abort);
			answer.then(resolve, abort);
		});
	}

	world.touch();
	work(
		hand,
		processor,
		{
			queue: {
				pin: (job, at) =>
					step(
						() => `asks for a pin to ${at}`,
						(heard) => calls.pin(job, at, heard),
					),
				release: (job, result) =>
					step(
						() => `releases: ${result}`,
						(heard) => calls.release(job, result, heard),
					),
				settle: (job, charge) =>
					step(
						() => `settles ${JSON.stringify(charge, text)}`,
						(heard) => calls.settle(job, charge, heard),
					),
			},
			gateway: {
				charge: (at, { requestedAtUs }, signal) =>
					orAborted(
						step(
							() => `charges at ${at}, requested at ${requestedAtUs}`,
							(heard) => calls.charge(hand.job, { processor: at, requestedAtUs }, heard),
						),
						signal,
						{ kind: "unknown", why: "aborted" },
					),
				readBack: (at, id, signal) =>
					orAborted(
						step(
							() => `reads back from ${at}`,
							(heard) => calls.readBack(id, at, heard),
						),
						signal,
						{ kind: "no_answer" },
					),
				health: () => Promise.resolve({ reachable: true, failing: false, minResponseMs: 0 }),
			},
			hands: { holds },
			clock,
			random: prng.next,
			pause: { baseMs: 5, maxMs: repeatMaxMs },
			mayRepeat: () => !world.chaos || prng.chance(weather.mayRepeat),
			watch: { pinned() {}, duplicate() {}, settled() {} },
		},
		controller.signal,
	).then(
		(end) => {
			cancel();
			ended(end);
		},
		(cause) => world.fail(`a worker failed: ${cause instanceof Error ? cause.stack : cause}`),
	);
};

function text(_: string, value: unknown): unknown {
	return typeof value === "bigint" ? value.toString() : value;
}
