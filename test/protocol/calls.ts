// A simulated consumer's calls: to the cache and to the processors, over a network that cannot be trusted.
//
// A call to the cache may be carried out twice, late, or without an answer. A POST is sent once at most, as on one
// connection; its answer may be late, lost, or come after the deadline.
import type { Store } from "../../src/cache/store/store.ts";
import type { ChargeAnswer, Job, ReadBackAnswer } from "../../src/consumer/ports.ts";
import type { AttemptResult, Charge, Pin } from "../../src/payment/life.ts";
import type { PinOutcome, ReleaseOutcome, SettleOutcome } from "../../src/payment/outcome.ts";
import type { Processor } from "../../src/payment/payment.ts";
import type { CacheHost } from "./cache-host.ts";
import type { Mutant } from "./mutants.ts";
import type { Network } from "./network.ts";
import type { Heard, ReadHeard, SimulatedProcessor } from "./processors.ts";
import type { Weather } from "./weather.ts";
import type { Process, World } from "./world.ts";

export interface CallPorts {
	readonly world: World;
	readonly weather: Weather;
	readonly network: Network;
	readonly cache: CacheHost;
	readonly processors: Record<Processor, SimulatedProcessor>;
	readonly mutant: Mutant;
	/** Called as the first byte of a POST leaves. */
	readonly onPost: (job: Job, pin: Pin) => void;
}

/** `undefined`: no answer in time. */
type Heeds<T> = (answer: T | undefined) => void;

export interface Calls {
	pin(job: Job, processor: Processor, heard: Heeds<PinOutcome>): void;
	release(job: Job, result: AttemptResult, heard: Heeds<ReleaseOutcome>): void;
	settle(job: Job, charge: Charge, heard: Heeds<SettleOutcome>): void;
	charge(job: Job, pin: Pin, heard: (answer: ChargeAnswer) => void): void;
	readBack(id: string, processor: Processor, heard: (answer: ReadBackAnswer) => void): void;
	/** Is a POST of it on its way to a processor? It outlives the process. */
	leaving(id: string): boolean;
}

const callTimeoutMs = 120;

export function createCalls(name: string, process: Process, ports: CallPorts): Calls {
	const { weather, network, cache, mutant } = ports;
	const leaving = new Map<string, number>();
	const key = ({ id, token, epoch }: Job) => ({ id, token: Number(token), epoch: Number(epoch) });

	function call<T>(ask: (store: Store) => Promise<readonly T[]>, heard: Heeds<T>): void {
		const once = within<T | undefined>(callTimeoutMs, undefined, heard);
		cache.call(name, ask, (answers) => once(answers[0]));
	}

	/** Hears one answer, or after the time `late`. */
	function within<T>(timeoutMs: number, late: T, heard: (answer: T) => void): (answer: T) => void {
		let over = false;
		const once = process.bind((answer: T) => {
			if (over) return;
			over = true;
			cancel();
			heard(answer);
		});
		const cancel = process.after(timeoutMs, () => once(late));
		return once;
	}

	function exchange<T>(
		processor: Processor,
		arrive: (answer: (heard: T) => void) => void,
		heard: (came: T | "timeout") => void,
	): boolean {
		const link = `${name}-${processor}`;
		const once = within<T | "timeout">(weather.chargeDeadlineMs, "timeout", heard);
		return network.send(link, () => arrive((answer) => void network.send(link, () => once(answer))), true);
	}

	return {
		pin: (job, processor, heard) => call((store) => store.pin([{ ...key(job), processor }]), heard),
		release: (job, result, heard) => call((store) => store.release([{ ...key(job), result }]), heard),
		settle({ id, epoch }, charge, heard) {
			call((store) => store.settle([{ id, epoch: Number(epoch), charge }]), heard);
		},
		charge(job, pin, heard) {
			const { id, amountCents } = job;
			const count = (by: 1 | -1) => leaving.set(id, (leaving.get(id) ?? 0) + by);
			ports.onPost(job, pin);
			count(1);
			const leaves = exchange<Heard>(
				pin.processor,
				(answer) => {
					count(-1);
					ports.processors[pin.processor].post({ id, amountCents, requestedAtUs: pin.requestedAtUs }, answer);
				},
				(came) => heard(came === "timeout" ? { kind: "unknown", why: "timeout" } : mutant.answerOf(came)),
			);
			if (!leaves) count(-1);
		},
		readBack(id, processor, heard) {
			exchange<ReadHeard>(
				processor,
				(answer) => ports.processors[processor].read(id, answer),
				(came) => {
					if (came === "timeout" || !came) heard({ kind: "no_answer" });
					else if ("found" in came) heard({ kind: "found", charge: came.found });
					else heard({ kind: came.status === 404 ? "absent" : "no_answer" });
				},
			);
		},
		leaving: (id) => (leaving.get(id) ?? 0) > 0,
	};
}
