// A simulated consumer: it holds what it was given until its end is known, renews, reconnects and reclaims.
//
// It may end or be stopped between any two steps; when it goes on past its lease it does what it was about to do. Some
// never look at their lease's end. Each job is driven by the project's own driver, or by the plain one in drive.ts.

import type { Delivery } from "../../src/cache/dispatch.ts";
import type { Job as StoreJob } from "../../src/cache/store/store.ts";
import type { Clock } from "../../src/clock.ts";
import type { ChargeEnd } from "../../src/consumer/charge.ts";
import { type Hand, newHand } from "../../src/consumer/hands.ts";
import type { Job } from "../../src/consumer/ports.ts";
import { type Processor, processors } from "../../src/payment/payment.ts";
import { type CallPorts, createCalls } from "./calls.ts";
import { drive, driveForReal } from "./drive.ts";
import { sound } from "./mutants.ts";
import { createProcess, type Process } from "./world.ts";

export interface Worker {
	readonly process: Process;
	readonly session: string;
	/** Has it the payment in hand, or is a POST of it on its way? Then it may still be charged. */
	mayCharge(id: string): boolean;
	readonly busy: boolean;
	start(): void;
	crash(): void;
}

export interface WorkerPorts extends CallPorts {
	/** Stops the process for a while, now. */
	readonly stop: (process: Process, name: string) => void;
	readonly onEnd: (end: ChargeEnd) => void;
	/** Which leases the cache let it keep as it connected. */
	readonly onReclaim: (tokens: readonly number[]) => void;
	/** Another consumer gets what this one got: only a broken carrier does so. */
	readonly mirror?: (jobs: readonly StoreJob[]) => void;
}

export function createWorker(name: string, ports: WorkerPorts): Worker & { take(jobs: readonly StoreJob[]): void } {
	const { world, weather, cache, mutant } = ports;
	const { prng } = world;
	const { leaseMs } = weather.settings;
	const process = createProcess(world);
	const calls = createCalls(name, process, ports);
	const hands = new Map<bigint, Hand>();
	let clock: Clock;
	let lives = 0;
	let session = "";
	let stream = 0;
	let leave = (): void => {};
	let cancelSilence = (): void => {};
	const looksAtLease = prng.chance(weather.looksAtLease);
	const machineIsSound = mutant.startCharge === sound.startCharge && mutant.nextCharge === sound.nextCharge;
	const driver = machineIsSound && prng.chance(0.5) ? driveForReal : drive;

	function start(): void {
		process.start();
		clock = process.clock();
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
		const askedAtMs = clock.monotonic();
		world.note(() => `${session} connects, holding ${held.map(({ job }) => `${job.id}#${job.token}`).join(" ")}`);
		watchSilence();
		leave = cache.connect(
			name,
			{
				session,
				credit: { fresh: weather.credit, pursuit: weather.credit },
				retriesMax: weather.credit,
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
				ports.onReclaim(held.map(({ job }) => Number(job.token)).filter((token) => !given.lost.includes(token)));
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
		const askedAtMs = clock.monotonic();
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
			const arrivedAtMs = clock.monotonic();
			const hand = newHand(job, arrivedAtMs, arrivedAtMs + leaseMs);
			world.note(() => `${session} gets ${job.id}#${token}${job.pin ? ` in doubt at ${job.pin.processor}` : ""}`);
			hands.set(job.token, hand);
			const processor = choose(job);
			process.after(prng.chance(0.8) ? prng.between(0, 1) : prng.between(0, 200), () => {
				driver(hand, processor, { ports, calls, clock, holds, beforeStep, deadlineMs: weather.jobMs }, (end) => {
					world.note(() => `${session} ${job.id}#${token} ${end}`);
					if (hands.get(job.token) === hand) hands.delete(job.token);
					ports.onEnd(end);
				});
			});
		}
	}

	const holds = (hand: Hand): boolean => !looksAtLease || (!hand.lost && clock.monotonic() < hand.leaseEndsAtMs);

	/** Between any two steps anything may happen. */
	function beforeStep(what: () => string, act: () => void): void {
		world.note(() => `${session} ${what()}`);
		const go = process.bind(act);
		process.after(prng.chance(0.9) ? 0.01 : prng.between(0, 60), () => {
			if (world.chaos && prng.chance(weather.atStep.crash)) return crash();
			if (world.chaos && prng.chance(weather.atStep.stop)) ports.stop(process, session);
			go();
		});
	}

	function choose({ pin }: Job): Processor {
		const living = processors.filter((processor) => !ports.processors[processor].dead);
		if (pin && !(mutant.crossesOver && prng.chance(0.5))) return pin.processor;
		return prng.pick(world.chaos ? processors : living);
	}

	return {
		process,
		get session() {
			return session;
		},
		mayCharge: (id) => calls.leaving(id) || [...hands.values()].some((hand) => hand.job.id === id),
		get busy() {
			return hands.size > 0;
		},
		start,
		take,
		crash,
	};
}
