// Rules broken on purpose, one at a time: the simulation has to find out each of them.
//
// A mutant replaces a rule of a payment's life, a call of the store, the medium, or a consumer's reading of an answer.
// Each is wrapped around the real code, which stays as it is.
import type { Rows } from "../../src/cache/store/rows.ts";
import type { Store } from "../../src/cache/store/store.ts";
import { type ChargeEvent, nextCharge, startCharge } from "../../src/consumer/charge.ts";
import type { ChargeAnswer } from "../../src/consumer/ports.ts";
import * as life from "../../src/payment/life.ts";
import type { DiskMutant } from "./disk.ts";
import type { Heard } from "./processors.ts";
import type { Weather } from "./weather.ts";

export interface Mutant {
	readonly rules?: Partial<Pick<typeof life, "pin" | "release" | "settle" | "resolve">>;
	readonly store?: (store: Store, rows: Rows) => Store;
	readonly disk: DiskMutant;
	readonly startCharge: typeof startCharge;
	readonly nextCharge: typeof nextCharge;
	readonly answerOf: (heard: Heard) => ChargeAnswer;
	/** Consumers ask either processor for a payment in doubt. */
	readonly crossesOver?: true;
	/** Jobs are delivered to a second consumer too, under the same token. */
	readonly mirrors?: true;
	/** The weather in which it shows most often: it needs several faults at once. */
	readonly favour?: (drawn: Weather) => Weather;
	/** Only a promise made too early, or a flag without a reason, shows it: no payment is lost or charged twice. */
	readonly harmless?: true;
}

/** What an answer to a POST proves, as the processors' contract has it. */
function answerOf(heard: Heard): ChargeAnswer {
	if (!heard) return { kind: "unknown", why: "connection" };
	if ("refused" in heard) return { kind: "not_charged", why: "refused" };
	if (heard.status === 200 && heard.body === "json") return { kind: "charged" };
	if (heard.status === 200) return { kind: "unknown", why: "malformed" };
	if (heard.status === 422) return { kind: "duplicate" };
	if (heard.status === 429) return { kind: "not_charged", why: "too_many" };
	if (heard.status === 500 && heard.body === "none") return { kind: "not_charged", why: "failing" };
	return { kind: "unknown", why: "status" };
}

/** No rule broken. */
export const sound: Mutant = { disk: {}, startCharge, nextCharge, answerOf };

/** A worker that has lost its lease acts under the one that the payment has now. */
function unfenced(call: "pin" | "release"): (store: Store) => Store {
	return (store) => {
		const tokenOf = new Map<string, number>();
		const translate = <K extends { id: string; token: number }>(keys: readonly K[]): K[] =>
			keys.map((key) => ({ ...key, token: tokenOf.get(key.id) ?? key.token }));
		return {
			...store,
			async lease(...asked) {
				const jobs = await store.lease(...asked);
				for (const { id, token } of jobs) tokenOf.set(id, token);
				return jobs;
			},
			pin: (requests) => store.pin(call === "pin" ? translate(requests) : requests),
			release: (releases) => store.release(call === "release" ? translate(releases) : releases),
		};
	};
}

/** Answers before the change is committed, with what the answer is going to be. */
function pinsEarly(store: Store): Store {
	return {
		...store,
		async pin(requests) {
			const [request] = requests;
			const payment = request && (await store.payment(request.id));
			const outcome = store.pin(requests);
			if (payment?.state !== "accepted") return outcome;
			outcome.catch(() => undefined);
			return [{ outcome: "pinned", requestedAtUs: Math.floor(payment.acceptedAtUs / 1000) * 1000 }];
		},
	};
}

/** So that an answer can be given before the pin is made. */
const datedByAcceptance: typeof life.pin = (payment, processor, token, nowMs) => {
	const next = life.pin(payment, processor, token, nowMs);
	if (!next?.pin || payment.pin) return next;
	return { ...next, pin: { processor, requestedAtUs: Math.floor(payment.acceptedAtUs / 1000) * 1000 } };
};

function acknowledgesEarly(store: Store): Store {
	return {
		...store,
		async enqueue(payments) {
			const known = await Promise.all(payments.map(({ id }) => store.payment(id)));
			const outcomes = store.enqueue(payments);
			if (known.some((payment) => payment)) return outcomes;
			outcomes.catch(() => undefined);
			return payments.map(() => "accepted" as const);
		},
	};
}

/** An attempt without an answer is followed by a look, and "not there" is taken for proof. */
const absentIsProof: typeof nextCharge = (job, state, event: ChargeEvent, mayRepeat) => {
	if (state.at === "charging" && event.on === "charge" && event.answer.kind === "unknown") {
		const { processor } = state.pin;
		return { state: { at: "reading_back", processor, sent: true }, effect: { do: "read_back", processor } };
	}
	if (state.at === "reading_back" && state.sent && event.on === "read_back" && event.answer.kind === "absent")
		return { state: { at: "releasing" }, effect: { do: "release", result: "not_charged" } };
	return nextCharge(job, state, event, mayRepeat);
};

/** An attempt without an answer is repeated at once, without an attempt of its own on disk. */
const repeatsUnderOneLease: typeof nextCharge = (job, state, event: ChargeEvent, mayRepeat) => {
	if (state.at === "charging" && event.on === "charge" && event.answer.kind === "unknown")
		return { state, effect: { do: "charge", pin: state.pin } };
	return nextCharge(job, state, event, mayRepeat);
};

/** Events are told as soon as they are committed, and not only when they are on disk. */
function tellsEarly(store: Store, rows: Rows): Store {
	return {
		...store,
		readOutbox: async (after, max) =>
			rows.outbox(Math.max(after, rows.marks.eventsForgotten), rows.marks.eventSeq, max),
		watchOutbox: store.subscribe,
	};
}

/** What was read is forgotten, whether it comes to be published or not. */
function forgetsUnpublished(store: Store): Store {
	return {
		...store,
		async readOutbox(after, max) {
			const events = await store.readOutbox(after, max);
			if (events.length > 0) store.forgetOutbox(events[events.length - 1]!.seq).catch(() => undefined);
			return events;
		},
	};
}

function unpinned(payment: life.Payment): life.Payment {
	const { pin: _, dueAtMs: __, doubtSinceMs: ___, ...rest } = payment;
	return { ...rest, state: "accepted", openAttempt: 0 };
}

const take500ForProof = (heard: Heard): ChargeAnswer =>
	heard && "status" in heard && heard.status >= 500 ? { kind: "not_charged", why: "failing" } : answerOf(heard);

const takeCutForProof = (heard: Heard): ChargeAnswer =>
	heard ? answerOf(heard) : { kind: "not_charged", why: "refused" };

/** By what is broken. */
export const mutants: Readonly<Record<string, Mutant>> = {
	"a later proof lifts the pin of a payment in doubt": {
		...sound,
		rules: {
			release(payment, token, result, moment, policy) {
				const next = life.release(payment, token, result, moment, policy);
				const lifts = result === "not_charged" && payment.openAttempt === token && next.state === "in_doubt";
				return lifts ? unpinned(next) : next;
			},
		},
	},
	"an acknowledgement leaves before the commit": { ...sound, store: acknowledgesEarly },
	"answers leave before the sync": { ...sound, disk: { syncLies: true } },
	"a POST leaves before its pin is committed": { ...sound, store: pinsEarly, rules: { pin: datedByAcceptance } },
	"a release by a worker past its lease is accepted": { ...sound, store: unfenced("release") },
	"a pin by a worker past its lease is accepted": {
		...sound,
		store: unfenced("pin"),
		favour: (drawn) => ({
			...drawn,
			workers: 3,
			settings: { ...drawn.settings, leaseMs: 150, inFlightMax: 64 },
			chargeDeadlineMs: 1000,
			delaysMs: [0, 30, 150],
			atStep: { crash: 0, stop: 0.2 },
			looksAtLease: 0,
		}),
	},
	"tokens repeat after a restart": { ...sound, disk: { bootStays: true } },
	"an unknown outcome lifts the pin": {
		...sound,
		rules: {
			release: (payment, token, result, moment, policy) =>
				life.release(payment, token, result === "unknown" ? "not_charged" : result, moment, policy),
		},
	},
	"a payment in doubt may cross over": {
		...sound,
		crossesOver: true,
		startCharge: (job, processor) =>
			job.pin?.processor === processor || !job.pin
				? startCharge(job, processor)
				: { state: { at: "pinning", processor }, effect: { do: "pin", processor } },
		rules: {
			pin(payment, processor, token, nowMs) {
				const crosses = payment.state === "in_doubt" && payment.pin?.processor !== processor;
				return life.pin(crosses ? unpinned(payment) : payment, processor, token, nowMs);
			},
		},
	},
	"a 404 after a time-out is taken for proof": { ...sound, nextCharge: absentIsProof },
	"a 500 with a body, a 502, 503 or 504 is taken for proof": { ...sound, answerOf: take500ForProof },
	"a second POST leaves under one lease": { ...sound, nextCharge: repeatsUnderOneLease },
	"a lease given back without a word on its attempt lifts the pin": {
		...sound,
		rules: {
			release: (payment, token, result, moment, policy) =>
				life.release(payment, token, isWord(result) ? result : "not_charged", moment, policy),
		},
		// A request for a pin that comes twice finds no slot first and one then, and the worker hears of the first.
		favour: (drawn) => ({
			...drawn,
			settings: { ...drawn.settings, leaseMs: 180, reclaimMs: 400, inFlightMax: 2 },
			chargeDeadlineMs: 80,
			jobMs: 100,
			network: { drop: 0, duplicate: 0.6, slow: 0.4, slowMs: 100 },
			delaysMs: [5, 100, 500, 2000],
			atStep: { crash: 0.02, stop: 0.2 },
			looksAtLease: 0,
		}),
	},
	"a cut answer is taken for proof": { ...sound, answerOf: takeCutForProof },
	"requestedAt is renewed under the same pin": {
		...sound,
		harmless: true,
		rules: {
			pin(payment, processor, token, nowMs) {
				const next = life.pin(payment, processor, token, nowMs);
				if (!next?.pin || next === payment) return next;
				return { ...next, pin: { processor, requestedAtUs: Math.floor(nowMs) * 1000 } };
			},
		},
	},
	"a repeated settle is booked again": {
		...sound,
		rules: {
			settle(payment, charge, nowUs) {
				const settled = life.settle(payment, charge, nowUs);
				return "unchanged" in settled && settled.unchanged === "repeated" ? { payment: { ...payment } } : settled;
			},
		},
	},
	"a purge forgets what was in doubt": {
		...sound,
		disk: {
			afterForget(rows, forgotten) {
				for (const { payment } of forgotten) rows.dropForgotten(payment.id);
			},
		},
	},
	"a restart takes what was in flight for accepted": {
		...sound,
		disk: {
			open(rows) {
				for (const row of rows.open(0, Number.MAX_SAFE_INTEGER, 1e9))
					rows.update({ ...row, payment: unpinned(row.payment) });
			},
		},
	},
	"a restart passes over what was leased": {
		...sound,
		disk: {
			open(rows) {
				rows.marks.doneUpTo = rows.marks.leasedUpTo;
			},
		},
	},
	"a job is delivered to two consumers under one token": { ...sound, mirrors: true },
	"an event is written in the commit after its own": { ...sound, disk: { tellsLater: true } },
	"an event is told before it is on disk": { ...sound, store: tellsEarly },
	"an event is forgotten before it is confirmed": { ...sound, store: forgetsUnpublished },
	"event numbers start anew with the store": {
		...sound,
		disk: {
			open(rows) {
				rows.marks.eventSeq = rows.marks.eventsForgotten;
			},
		},
	},
};

const isWord = (result: life.AttemptResult): boolean => result === "not_charged" || result === "unknown";
