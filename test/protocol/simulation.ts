// One schedule of the charge protocol, from a seed: shops post, consumers charge, everything fails; then the faults heal.
//
// The store, its engine, holdings and dispatcher and the state machine of a charge are the real ones; clock, network,
// medium and processors are simulated. What has to hold is told in books.ts; what can happen, in weather.ts.
import type { Store } from "../../src/cache/store/store.ts";
import type { Processor } from "../../src/payment/payment.ts";
import { processors } from "../../src/payment/payment.ts";
import { createBooks } from "./books.ts";
import { createBroker } from "./broker.ts";
import { createCacheHost } from "./cache-host.ts";
import { createDisk } from "./disk.ts";
import { type Mutant, sound } from "./mutants.ts";
import { createNetwork } from "./network.ts";
import { createProcessors, type SimulatedProcessor } from "./processors.ts";
import { drawWeather } from "./weather.ts";
import { createWorker } from "./worker.ts";
import { createWorld, type Process, startMs } from "./world.ts";

export interface SimulationOptions {
	readonly mutant?: Mutant;
	/** Also fail where a promise is made too early, not only where that leads to a loss or a second charge. */
	readonly strict?: boolean;
	readonly traced?: boolean;
}

export interface Simulation {
	readonly breach: string | undefined;
	readonly trace: readonly string[];
	readonly settled: number;
	readonly events: Readonly<Record<string, number>>;
}

/** I5: the backlog is drained so long after the last fault has healed. */
const drainMaxMs = 30_000;
const postTriesMax = 6;
const postTimeoutMs = 150;

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<Simulation> {
	const { mutant = sound, strict = true, traced = false } = options;
	const world = createWorld(seed, traced);
	const { prng } = world;
	const drawn = drawWeather(prng);
	const weather = mutant.favour ? mutant.favour(drawn) : drawn;
	const network = createNetwork(world, weather);
	const disk = createDisk(world, weather, mutant.disk);
	let charging: Record<Processor, SimulatedProcessor> | undefined;
	const at = () => charging!;
	const books = createBooks(world, disk, at, strict);
	charging = createProcessors(world, weather, books.charged);
	const broker = createBroker(world, disk, seed, strict);
	const cache = createCacheHost(world, weather, network, disk, broker, mutant, {
		token: books.token,
		started(rows) {
			books.started(rows);
			broker.started(rows);
		},
	});
	const events: Record<string, number> = {};
	const tally = (name: string): void => {
		events[name] = (events[name] ?? 0) + 1;
	};
	world.note(() => JSON.stringify(weather));

	const workers = Array.from({ length: weather.workers }, (_, i) =>
		createWorker(`worker${i}`, {
			world,
			weather,
			network,
			cache,
			processors: at(),
			mutant,
			onPost(job, pin) {
				if (strict && !disk.attemptSafe(Number(job.token)))
					world.fail(`a POST of ${job.id} left for ${pin.processor} before its attempt was safe`);
			},
			stop: pause,
			onReclaim(tokens) {
				const boot = cache.rows?.marks.boot ?? 0;
				if (tokens.some((token) => Math.floor(token / 2 ** 32) < boot)) tally("reclaimed");
			},
			onEnd(end) {
				tally(end);
				// A charge that the books refuse is one at a processor that the payment was not bound to.
				if (end === "refused" && strict) world.fail("I1: the books refuse a proof of a charge");
			},
			...(mutant.mirrors && {
				mirror: (jobs) => {
					const other = workers[(i + 1) % workers.length]!;
					if (other.process.up) other.take(jobs);
				},
			}),
		}),
	);

	/** A shop posts, and posts again while it hears nothing; it may lose patience. */
	function post(id: string, amountCents: bigint, tries = 0): void {
		let over = false;
		const later = (ms: number): void => {
			if (tries < postTriesMax && !(world.chaos && prng.chance(0.15)))
				world.after(ms, () => post(id, amountCents, tries + 1));
		};
		const cancel = world.after(postTimeoutMs, () => {
			over = true;
			later(prng.between(1, 200));
		});
		books.posted(id, amountCents);
		cache.call(
			`shop${id}`,
			async (store) => {
				// Posted again when a purge has forgotten that it was settled, it would rightly be charged once more.
				if (disk.settledAndPurged.has(id)) return;
				const [outcome] = await store.enqueue([{ id, amountCents }]);
				return { outcome, epoch: disk.acceptedSafe(id)?.epoch };
			},
			(answer) => {
				if (over || !answer) return;
				over = true;
				cancel();
				const { outcome, epoch } = answer;
				world.note(() => `shop hears that ${id} is ${outcome}`);
				if (outcome === "accepted" || outcome === "repeated") books.acknowledged(id, amountCents, epoch);
				if (outcome === "full") later(prng.between(50, 300));
			},
		);
	}

	const ids = Array.from({ length: weather.payments }, (_, i) => `p${i}`);
	for (const [i, id] of ids.entries()) {
		const amountCents = BigInt(100 + i);
		const atMs = prng.between(0, weather.chaosMs * 0.8);
		world.after(atMs, () => post(id, amountCents));
		if (prng.chance(0.1)) world.after(atMs + prng.between(0, 500), () => post(id, amountCents));
		if (prng.chance(0.05)) world.after(atMs + prng.between(0, 100), () => post(id, amountCents + 5000n));
	}

	/** Again and again until the faults heal. */
	function haunt(meanMs: number, name: string, fault: () => void): void {
		if (!Number.isFinite(meanMs)) return;
		world.after(
			prng.between(0, 2 * meanMs),
			() => {
				if (!world.chaos) return;
				tally(name);
				fault();
				haunt(meanMs, name, fault);
			},
			true,
		);
	}
	function pause(process: Process, name: string): void {
		if (!process.up || process.stopped) return;
		world.note(() => `${name} is stopped`);
		process.stop();
		const resume = process.bindToLife(() => {
			if (!process.stopped) return;
			world.note(() => `${name} goes on`);
			process.resume();
		});
		world.after(prng.between(10, 2.5 * weather.settings.leaseMs), resume);
	}
	const { every } = weather;
	haunt(every.cacheCrash, "cacheCrash", () => cache.crash("by a kill"));
	haunt(every.cacheStop, "cacheStop", () => pause(cache.process, "CACHE"));
	haunt(every.workerCrash, "workerCrash", () => {
		const worker = prng.pick(workers);
		if (worker.process.up) worker.crash();
	});
	haunt(every.workerStop, "workerStop", () => {
		const worker = prng.pick(workers);
		pause(worker.process, worker.session);
	});
	haunt(every.cut, "cut", () => network.cut(`worker${prng.int(0, workers.length - 1)}`, prng.between(20, 1500)));
	haunt(every.flip, "flip", () => at()[prng.pick(processors)].flip());
	haunt(every.wallJump, "wallJump", () => {
		cache.process.wallOffsetMs = prng.between(-3000, 3000);
	});
	haunt(every.sessionEnd, "sessionEnd", () => {
		const { session } = prng.pick(workers);
		cache.local((store) => store.endSession(session));
	});
	haunt(every.person, "person", () => cache.local(decide));

	/** A person who decides rightly: gives up only what was not charged and cannot be any more. */
	async function decide(store: Store): Promise<void> {
		const { payments } = await store.parked(0, 10);
		const payment = payments[0];
		if (!payment?.pin) return;
		const { id, pin } = payment;
		const processor = at()[pin.processor];
		const charge = processor.stored.get(id);
		const possible = (processor.underWay.get(id) ?? 0) > 0 || workers.some((worker) => worker.mayCharge(id));
		const atUs = Math.floor((startMs + world.nowMs) * 1000);
		const decision =
			charge && prng.chance(0.5) ? "settle" : !charge && !possible && prng.chance(0.5) ? "give_up" : "retry";
		world.note(() => `a person decides to ${decision} ${id}`);
		tally(decision);
		await store.resolve(
			id,
			{ decision, who: "a person", why: "a reason", atUs },
			decision === "settle" ? charge : undefined,
		);
	}

	for (let i = 0; i < weather.purges; i++) {
		world.after(prng.between(0, weather.chaosMs), () => {
			world.note(() => "an operator purges");
			cache.local(async (store) => {
				await store.purge(prng.between(0, 200));
				tally("purge");
				// Shops post again what they posted before.
				for (const [n, id] of ids.entries())
					if (prng.chance(0.5)) world.after(prng.between(0, 500), () => post(id, BigInt(100 + n)));
			});
		});
	}

	cache.start();
	for (const worker of workers) worker.start();
	await world.run(weather.chaosMs);
	world.note(() => "ALL FAULTS HEAL");
	world.chaos = false;
	for (const processor of processors) at()[processor].heal();
	if (weather.dead) tally("dead");
	const healedMs = Math.max(world.nowMs, weather.chaosMs);
	const quiet = (): boolean => {
		if (world.pending > 0) return false;
		const { rows } = cache;
		if (!rows || rows.marks.eventsForgotten < rows.marks.eventSeq) return false;
		return books.drained(rows) && workers.every((worker) => worker.process.up && !worker.busy);
	};
	await world.run(healedMs + drainMaxMs, quiet);
	const { rows } = cache;
	if (!world.breach) {
		if (!rows) world.fail("I5: the cache did not come back");
		else {
			if (!quiet())
				world.fail(
					`I5: not drained ${drainMaxMs} ms after the last fault: ${books.unfinished(rows) || "something is still going on"}`,
				);
			if (!world.breach) books.final(rows);
			if (!world.breach) broker.final();
			if (broker.copies > 0) tally("eventCopies");
		}
	}
	cache.process.kill();
	return { breach: world.breach, trace: world.trace, settled: rows?.marks.settled ?? 0, events };
}
