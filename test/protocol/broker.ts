// A simulated broker, and what must hold of the events that it is given.
//
//   E1  An event arrives only when what it tells is safely on disk (`strict`).
//   E2  A number, and an id, names one event, whatever crashes.
//   E3  Of one payment, no event arrives for the first time before one that became true before it.
//   E4  Every step of a payment that is to be told has exactly its event: after each restart it has arrived or is in the
//       outbox, and when all is quiet it has arrived.
//
// A message can be lost on its way, and so can its confirm; which of the two it was, the publisher does not hear.
import type { Rows } from "../../src/cache/store/rows.ts";
import type { CloudEvent } from "../../src/events/cloud-event.ts";
import { createPrng } from "../prng.ts";
import type { Disk } from "./disk.ts";
import type { World } from "./world.ts";

export interface Broker {
	readonly random: () => number;
	readonly bounds: { readonly unconfirmedMax: number; readonly forgetMax: number; readonly forgetWithinMs: number };
	publish(event: CloudEvent, routingKey: string, heard: (confirmed: boolean) => void): void;
	/** Copies of what had arrived before. */
	readonly copies: number;
	started(rows: Rows): void;
	final(): void;
}

const delayMaxMs = 5;
const lostMaxMs = 80;

export function createBroker(world: World, disk: Disk, seed: number, strict: boolean): Broker {
	// Choices of its own: the rest of a schedule is the same with and without events.
	const prng = createPrng(seed + 2 ** 40);
	const faults = { lost: prng.pick([0, 0.05, 0.5]), unconfirmed: prng.pick([0, 0.05, 0.5]) };
	const arrived = new Map<number, { readonly id: string; readonly type: string; readonly paymentId: string }>();
	const newest = new Map<string, number>();
	let copies = 0;

	function arrive({ id, type, subject = "" }: CloudEvent, routingKey: string): void {
		const seq = Number(id.split("-")[0]);
		world.note(() => `event ${seq} arrives: ${routingKey} of ${subject}`);
		const before = arrived.get(seq);
		if (before) {
			copies++;
			if (before.id !== id || before.type !== type || before.paymentId !== subject)
				world.fail(`E2: event ${seq} was of ${before.paymentId}, and comes again as one of ${subject}`);
			return;
		}
		if (strict && !disk.eventSafe(seq)) world.fail(`E1: ${routingKey} of ${subject} was told before it was safe`);
		if ((newest.get(subject) ?? 0) > seq) world.fail(`E3: ${routingKey} of ${subject} comes late`);
		arrived.set(seq, { id, type, paymentId: subject });
		newest.set(subject, seq);
	}

	/** The steps of all payments, as they are on disk, are to be told in this order, under the numbers 1, 2, 3 … */
	function check(when: string, isThere: (seq: number, step: { type: string; paymentId: string }) => boolean): void {
		for (const [i, step] of disk.toBeTold().entries())
			if (!isThere(i + 1, step))
				world.fail(`E4: ${when}, ${step.type} of ${step.paymentId} is not told as number ${i + 1}`);
	}
	const hasArrived = (seq: number, { type, paymentId }: { type: string; paymentId: string }): boolean => {
		const found = arrived.get(seq);
		return found?.paymentId === paymentId && found.type === `payrelay.${type}.v1`;
	};

	return {
		random: prng.next,
		bounds: {
			unconfirmedMax: prng.pick([1, 3, 256]),
			forgetMax: prng.pick([1, 4, 256]),
			forgetWithinMs: prng.pick([1, 100, 500]),
		},
		get copies() {
			return copies;
		},
		publish(event, routingKey, heard) {
			const lost = world.chaos && prng.chance(faults.lost);
			const confirmed = !lost && !(world.chaos && prng.chance(faults.unconfirmed));
			if (!lost) world.after(prng.between(0.05, delayMaxMs), () => arrive(event, routingKey));
			world.after(confirmed ? delayMaxMs : prng.between(0, lostMaxMs), () => heard(confirmed));
		},
		started(rows) {
			const waiting = new Map(rows.outbox(0, Number.MAX_SAFE_INTEGER, 1e9).map((event) => [event.seq, event]));
			check("after a restart", (seq, step) => {
				const event = waiting.get(seq);
				return (event?.type === step.type && event.paymentId === step.paymentId) || hasArrived(seq, step);
			});
		},
		final() {
			check("in the end", hasArrived);
			const count = disk.toBeTold().length;
			if (arrived.size !== count) world.fail(`E4: ${arrived.size} events have arrived, and ${count} were to be told`);
		},
	};
}
