// A simulated consumer: the real state machine of a charge, driven over a network and processors that cannot be trusted.
//
// It holds what it was given until its end is known, renews, reconnects and reclaims. It may end or be stopped between
// any two steps; when it goes on past its lease it does what it was about to do. Some never look at their lease's end.

import type { Delivery } from "../../src/cache/dispatch.ts";
import type { Job as StoreJob } from "../../src/cache/store/store.ts";
import type { ChargeEnd, ChargeEvent, ChargeStep } from "../../src/consumer/charge.ts";
import type { ChargeAnswer, Job, ReadBackAnswer } from "../../src/consumer/ports.ts";
import type { AttemptResult, Pin } from "../../src/payment/life.ts";
import { type Processor, processors } from "../../src/payment/payment.ts";
import type { CacheHost } from "./cache-host.ts";
import type { Mutant } from "./mutants.ts";
import type { Network } from "./network.ts";
import type { Heard, SimulatedProcessor } from "./processors.ts";
import type { Weather } from "./weather.ts";
import { createProcess, type Process, type World } from "./world.ts";

export interface Worker {
	readonly process: Process;
	readonly session: string;
	/** Has it the payment in hand, or is a POST of it on its way? Then it may still be charged. */
	mayCharge(id: string): boolean;
	readonly busy: boolean;
	start(): void;
	crash(): void;
}

export interface WorkerPorts {
	readonly world: World;
	readonly weather: Weather;
	readonly network: Network;
	readonly cache: CacheHost;
	readonly processors: Record<Processor, SimulatedProcessor>;
	readonly mutant: Mutant;
	/** Called as the first byte of a POST leaves. */
	readonly onPost: (job: Job, pin: Pin) => void;
	/** Stops the process for a while, now. */
	readonly stop: (process: Process, name: string) => void;
	readonly onEnd: (end: ChargeEnd) => void;
	/** Another consumer gets what this one got: only a broken carrier does so. */
	readonly mirror?: (jobs: readonly StoreJob[]) => void;
}

interface Hand {
	readonly job: Job;
	leaseEndsAtMs: number;
	lost: boolean;
}

const callTimeoutMs = 120;
const jobMs = 2500;

export function createWorker(name: string, ports: WorkerPorts): Worker & { take(jobs: readonly StoreJob[]): void } {
	const { world, weather, network, cache, mutant } = ports;
	const { prng } = world;
	const { leaseMs } = weather.settings;
	const process = createProcess(world);
	const hands = new Map<bigint, Hand>();
	/** POSTs that have left and not arrived; they outlive this process. */
	const leaving = new Map<string, number>();
	let lives = 0;
	let session = "";
	let stream = 0;
	let leave = (): void => {};
	let cancelSilence = (): void => {};
	const looksAtLease = prng.chance(0.7);

	function start(): void {
		process.start();
		session = `${name}.${++lives}`;
		hands.clear();
		world.note(() => `${session} starts`);
		connect();
		renew();
	}

	function crash(): void {
		world.note(() => `${session} ends`);
		process.kill();
		hands.clear();
		stream++;
		leave();
		world.after(prng.between(1, 300), start);
	}

	function watchSilence(): void {
		cancelSilence();
		cancelSilence = process.after(leaseMs, reconnect, true);
	}

	function reconnect(): void {
		leave();
		cancelSilence();
		const own = ++stream;
		process.after(
			prng.between(1, 30),
			() => {
				if (own === stream) connect();
			},
			true,
		);
	}

	function connect(): void {
		const own = ++stream;
		const held = [...hands.values()].filter((hand) => !hand.lost);
		const askedAtMs = world.nowMs;
		world.note(() => `${session} connects, holding ${held.map(({ job }) => `${job.id}#${job.token}`).join(" ")}`);
		watchSilence();
		leave = cache.connect(
			name,
			{
				session,
				credit: { fresh: weather.credit, pursuit: weather.credit },
				held: held.map(({ job }) => ({ id: job.id, token: Number(job.token) })),
			},
			process.bind((given: Delivery) => {
				if (own !== stream) return;
				watchSilence();
				if ("jobs" in given) {
					take(given.jobs);
					ports.mirror?.(given.jobs);
					return;
				}
				lose(given.lost);
				for (const hand of held) hand.leaseEndsAtMs = askedAtMs + leaseMs;
			}),
			process.bind(() => {
				if (own === stream) reconnect();
			}),
		);
	}

	function renew(): void {
		process.after(leaseMs / 3, renew, true);
		const held = [...hands.values()].filter((hand) => !hand.lost);
		if (held.length === 0) return;
		const own = session;
		const askedAtMs = world.nowMs;
		cache.call(
			name,
			(store) =>
				store.renew(
					own,
					held.map(({ job }) => Number(job.token)),
				),
			process.bind((lost: number[]) => {
				lose(lost);
				for (const hand of held) hand.leaseEndsAtMs = askedAtMs + leaseMs;
			}),
		);
	}

	function lose(tokens: readonly number[]): void {
		for (const token of tokens) {
			const hand = hands.get(BigInt(token));
			if (hand) hand.lost = true;
		}
	}

	function take(jobs: readonly StoreJob[]): void {
		for (const { token, epoch, ...rest } of jobs) {
			const job: Job = { ...rest, token: BigInt(token), epoch: BigInt(epoch) };
			const hand: Hand = { job, leaseEndsAtMs: world.nowMs + leaseMs, lost: false };
			world.note(() => `${session} gets ${job.id}#${token}${job.pin ? ` in doubt at ${job.pin.processor}` : ""}`);
			hands.set(job.token, hand);
			const processor = choose(job);
			process.after(prng.chance(0.8) ? prng.between(0, 1) : prng.between(0, 200), () => {
				carryOn(hand, mutant.startCharge(job, processor), world.nowMs + jobMs);
			});
		}
	}

	function choose({ pin }: Job): Processor {
		const living = processors.filter((processor) => !ports.processors[processor].dead);
		if (pin && !(mutant.crossesOver && prng.chance(0.5))) return pin.processor;
		return prng.pick(world.chaos ? processors : living);
	}

	function carryOn(hand: Hand, step: ChargeStep, deadlineMs: number): void {
		const { state, effect } = step;
		const { job } = hand;
		world.note(
			() => `${session} ${job.id}#${job.token} ${state.at === "ended" ? state.end : JSON.stringify(effect, text)}`,
		);
		if (!effect) {
			if (hands.get(job.token) === hand) hands.delete(job.token);
			if (state.at === "ended") ports.onEnd(state.end);
			return;
		}
		const hear = (event: ChargeEvent): void => {
			const next = mutant.nextCharge(job, state, event, () => !world.chaos || prng.chance(weather.mayRepeat));
			carryOn(hand, next, deadlineMs);
		};
		const act = process.bind(() => carryOut(hand, effect, deadlineMs, hear));
		process.after(prng.chance(0.9) ? 0.01 : prng.between(0, 60), () => {
			if (world.chaos && prng.chance(weather.atStep.crash)) return crash();
			if (world.chaos && prng.chance(weather.atStep.stop)) ports.stop(process, session);
			act();
		});
	}

	const mayAct = (hand: Hand): boolean => !looksAtLease || (!hand.lost && world.nowMs < hand.leaseEndsAtMs);

	function carryOut(
		hand: Hand,
		effect: NonNullable<ChargeStep["effect"]>,
		deadlineMs: number,
		hear: (event: ChargeEvent) => void,
	): void {
		const { id, token: bigToken, epoch: bigEpoch, amountCents } = hand.job;
		const key = { id, token: Number(bigToken), epoch: Number(bigEpoch) };
		switch (effect.do) {
			case "pin": {
				if (!mayAct(hand)) return hear({ on: "pin", answer: { outcome: "fenced" } });
				return call(
					(store) => store.pin([{ ...key, processor: effect.processor }]).then(([first]) => first!),
					(answer) => hear({ on: "pin", answer: answer ?? { outcome: "lost" } }),
				);
			}
			case "charge":
				if (!mayAct(hand)) return hear({ on: "charge", answer: { kind: "not_charged", why: "refused" } });
				ports.onPost(hand.job, effect.pin);
				return charge({ id, amountCents, requestedAtUs: effect.pin.requestedAtUs }, effect.pin.processor, (answer) =>
					hear({ on: "charge", answer }),
				);
			case "read_back":
				return readBack(id, effect.processor, (answer) => hear({ on: "read_back", answer }));
			case "settle":
				return untilAnswered(
					(store) => store.settle([{ id, epoch: key.epoch, charge: effect.charge }]).then(([first]) => first!),
					deadlineMs,
					(outcome) => hear({ on: "settle", answer: { outcome: outcome ?? "lost" } }),
				);
			case "release": {
				const result: AttemptResult = effect.result;
				return untilAnswered(
					(store) => store.release([{ ...key, result }]).then(([first]) => first!),
					deadlineMs,
					(outcome) => hear({ on: "release", answer: { outcome: outcome ?? "lost" } }),
				);
			}
		}
	}

	/** One call, answered once; undefined when no answer came in time. */
	function call<T>(ask: Parameters<typeof cache.call<T>>[1], heard: (answer: T | undefined) => void): void {
		let over = false;
		const once = (answer: T | undefined): void => {
			if (over) return;
			over = true;
			cancel();
			heard(answer);
		};
		const cancel = process.after(callTimeoutMs, () => once(undefined));
		cache.call(name, ask, process.bind(once));
	}

	function untilAnswered<T>(
		ask: Parameters<typeof cache.call<T>>[1],
		deadlineMs: number,
		heard: (answer: T | undefined) => void,
	): void {
		call(ask, (answer) => {
			if (answer !== undefined || world.nowMs > deadlineMs) return heard(answer);
			process.after(prng.between(5, 60), () => untilAnswered(ask, deadlineMs, heard));
		});
	}

	/** Sent at most once, as on one connection; its answer may be late, lost, or come after the deadline. */
	function charge(
		post: { id: string; amountCents: bigint; requestedAtUs: number },
		processor: Processor,
		heard: (answer: ChargeAnswer) => void,
	): void {
		const count = (by: 1 | -1) => leaving.set(post.id, (leaving.get(post.id) ?? 0) + by);
		count(1);
		const leaves = exchange<Heard>(
			`${name}-${processor}`,
			(answer) => {
				count(-1);
				ports.processors[processor].post(post, answer);
			},
			weather.chargeDeadlineMs,
			(came) => heard(came === "timeout" ? { kind: "unknown", why: "timeout" } : mutant.answerOf(came)),
		);
		if (!leaves) count(-1);
	}

	function readBack(id: string, processor: Processor, heard: (answer: ReadBackAnswer) => void): void {
		exchange<Parameters<Parameters<SimulatedProcessor["read"]>[1]>[0]>(
			`${name}-${processor}`,
			(answer) => ports.processors[processor].read(id, answer),
			weather.chargeDeadlineMs,
			(came) => {
				if (came === "timeout" || !came) return heard({ kind: "no_answer" });
				if ("found" in came) return heard({ kind: "found", charge: came.found });
				heard({ kind: came.status === 404 ? "absent" : "no_answer" });
			},
		);
	}

	function exchange<T>(
		link: string,
		arrive: (answer: (heard: T) => void) => void,
		timeoutMs: number,
		heard: (came: T | "timeout") => void,
	): boolean {
		let over = false;
		const once = (came: T | "timeout"): void => {
			if (over) return;
			over = true;
			cancel();
			heard(came);
		};
		const cancel = process.after(timeoutMs, () => once("timeout"));
		const back = process.bind(once);
		return network.send(link, () => arrive((answer) => void network.send(link, () => back(answer))), true);
	}

	return {
		process,
		get session() {
			return session;
		},
		mayCharge: (id) => (leaving.get(id) ?? 0) > 0 || [...hands.values()].some((hand) => hand.job.id === id),
		get busy() {
			return hands.size > 0;
		},
		start,
		take,
		crash,
	};
}

function text(_: string, value: unknown): unknown {
	return typeof value === "bigint" ? value.toString() : value;
}
