// The two processors of a schedule: delay, then the failure switch, then the insert unless it is a duplicate.
//
// Nothing watches for the caller: a request that has arrived runs to its end. An internal fault answers 500 with a body,
// and its insert may have happened, may still happen, or never does. One id is stored once. What a caller hears may
// be cut, garbage, or a gateway's 50x, with or without a charge behind it.
import type { Charge } from "../../src/payment/life.ts";
import { type Processor, processors } from "../../src/payment/payment.ts";
import type { Weather } from "./weather.ts";
import type { World } from "./world.ts";

/** What comes back over the wire; `undefined` is a line that was cut. */
export type Heard =
	| { readonly status: number; readonly body: "none" | "json" | "garbage" }
	| { readonly refused: true }
	| undefined;
export type ReadHeard = { readonly found: Charge } | { readonly status: number } | undefined;

export interface Post {
	readonly id: string;
	readonly amountCents: bigint;
	readonly requestedAtUs: number;
}

export interface SimulatedProcessor {
	readonly name: Processor;
	readonly stored: ReadonlyMap<string, Charge>;
	/** POSTs under way, by payment. */
	readonly underWay: ReadonlyMap<string, number>;
	post(post: Post, answer: (heard: Heard) => void): void;
	read(id: string, answer: (heard: ReadHeard) => void): void;
	/** Turns one of its switches. */
	flip(): void;
	/** Everything works from now on, or nothing does for good. */
	heal(): void;
	readonly dead: boolean;
}

const concurrentMax = 6;
const lateInsertMs = 800;

export function createProcessors(
	world: World,
	weather: Weather,
	onCharge: (charge: Charge, id: string) => void,
): Record<Processor, SimulatedProcessor> {
	const [first, second] = processors.map((name) => createProcessor(name, world, weather, onCharge));
	return { default: first!, fallback: second! };
}

function createProcessor(
	name: Processor,
	world: World,
	weather: Weather,
	onCharge: (charge: Charge, id: string) => void,
): SimulatedProcessor {
	const { prng } = world;
	const stored = new Map<string, Charge>();
	const underWay = new Map<string, number>();
	let delayMs = prng.pick(weather.delaysMs);
	let failing = false;
	let down = false;
	let silent = false;
	let dead = false;
	let concurrent = 0;

	function insert({ id, amountCents, requestedAtUs }: Post): boolean {
		if (stored.has(id)) return false;
		const charge = { processor: name, amountCents, requestedAtUs };
		stored.set(id, charge);
		world.note(() => `${name} CHARGES ${id}`);
		onCharge(charge, id);
		return true;
	}

	/** `late`: the insert has still to come when the answer has left. */
	function fault(post: Post, ended: () => void): Heard {
		const kind = prng.int(0, 7);
		const insertLater = () => {
			count(post.id, 1);
			world.after(prng.between(0, lateInsertMs), () => {
				insert(post);
				count(post.id, -1);
			});
		};
		if (kind % 3 === 0) insert(post);
		else if (kind % 3 === 1) insertLater();
		ended();
		switch (kind >> 1) {
			case 0:
				return undefined;
			case 1:
				return { status: 500, body: "json" };
			case 2:
				return { status: prng.pick([502, 503, 504]), body: "none" };
			default:
				return { status: 200, body: "garbage" };
		}
	}

	function count(id: string, by: 1 | -1): void {
		underWay.set(id, (underWay.get(id) ?? 0) + by);
	}

	return {
		name,
		stored,
		underWay,
		get dead() {
			return dead;
		},
		post(post, answer) {
			if (down) return answer({ refused: true });
			if (concurrent >= concurrentMax) return answer({ status: 429, body: "none" });
			concurrent++;
			count(post.id, 1);
			const ended = () => {
				concurrent--;
				count(post.id, -1);
			};
			world.after(delayMs, () => {
				if (failing) {
					ended();
					return answer({ status: 500, body: "none" });
				}
				if (silent) return ended();
				if (world.chaos && prng.chance(weather.misbehave)) return answer(fault(post, ended));
				const inserted = insert(post);
				ended();
				answer({ status: inserted ? 200 : 422, body: "json" });
			});
		},
		read(id, answer) {
			if (down || silent) return answer(undefined);
			if (world.chaos && prng.chance(weather.misbehave / 2))
				return answer(prng.chance(0.5) ? undefined : { status: 503 });
			const found = stored.get(id);
			answer(found ? { found } : { status: 404 });
		},
		flip() {
			switch (prng.int(0, 5)) {
				case 0:
				case 1:
					failing = !failing;
					break;
				case 2:
					down = !down;
					break;
				default:
					delayMs = prng.pick(weather.delaysMs);
			}
			world.note(() => `${name} is now${failing ? " failing" : ""}${down ? " down" : ""} delay ${delayMs}`);
		},
		heal() {
			delayMs = Math.min(...weather.delaysMs);
			dead = weather.dead?.processor === name;
			failing = dead && weather.dead?.how === "failing";
			down = dead && weather.dead?.how === "down";
			silent = dead && weather.dead?.how === "silent";
		},
	};
}
