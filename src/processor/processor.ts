// A payment processor in memory, without sockets: the behaviour of the public challenge's processors, and worse on request.
//
// A POST takes a place in the concurrency limiter, then: read the body → sleep the configured delay → **then** read the
// failure switch (500 with an empty body, nothing stored) → insert → answer. Nothing watches for the caller going away:
// what a caller aborted is charged all the same. A read skips the delay and the switch and shares the limiter. Health
// has a limiter of its own. All that is stored is gone when the process ends.
import type { Clock } from "../clock.ts";
import { formatCents } from "../payment/amount.ts";
import { formatInstant } from "../payment/instant.ts";
import { parsePaymentId } from "../payment/payment.ts";
import { type Answer, type WholeAnswer, whole } from "./answer.ts";
import { createIntervalMeter, type Figures, noFigures } from "./figures.ts";
import { createConcurrencyLimiter, createWindowLimiter } from "./limiters.ts";
import { chargeOf, type Misbehaviour, type Target, wellBehaved } from "./misbehaviour.ts";
import { createPayments, type Payments, type StoredPayment } from "./payments.ts";
import { parsePaymentRequest } from "./request.ts";
import { spoil } from "./spoil.ts";

/** The challenge's processors execute so many requests at once, queue so many more, and answer 429 to the rest. */
export const executingMax = 800;
const queuedMax = 500;
/** Health: one call in so many milliseconds, so many more wait. */
const healthWindowMs = 5000;
const healthQueuedMax = 2;

export interface ProcessorOptions {
	readonly clock: Clock;
	/** The X-Rinha-Token that /admin asks for at first. */
	readonly token?: string;
	/** Decides whom a misbehaviour hits: numbers in [0, 1). */
	readonly random?: () => number;
}

export interface ProcessorSettings {
	token: string;
	delayMs: number;
	failing: boolean;
	misbehaviour: Misbehaviour;
}

export interface SimulatedProcessor {
	/** POST /payments; the body is read only once there is a place for the request. */
	charge(readBody: () => Promise<string>): Promise<Answer>;
	/** GET /payments/{id} */
	read(id: string): Promise<Answer>;
	/** GET /payments/service-health */
	health(): Promise<Answer>;
	/** In force from the next moment at which the contract reads them. */
	readonly settings: ProcessorSettings;
	readonly payments: Payments;
	figures(): Figures;
	resetFigures(): void;
	/** Resolves after `ms`, or never where the processor stops before. */
	pause(ms: number): Promise<void>;
	/** Forgets everything that still waits: no timer is left, late charges never come. */
	stop(): void;
}

const processed = whole(200, '{"message":"payment processed successfully"}');
const failure = whole(500);
const tooMany: WholeAnswer = {
	...whole(429, "Calm down. Try again later."),
	type: "text/plain",
	retryAfterSeconds: healthWindowMs / 1000,
};

export function createProcessor({ clock, token = "123", random = Math.random }: ProcessorOptions): SimulatedProcessor {
	const settings: ProcessorSettings = { token, delayMs: 0, failing: false, misbehaviour: wellBehaved };
	const payments = createPayments();
	const limiter = createConcurrencyLimiter(executingMax, queuedMax);
	const healthLimiter = createWindowLimiter(clock, healthWindowMs, healthQueuedMax);
	const waits = new Set<() => void>();
	let figures = noFigures();
	let askedMeter = createIntervalMeter();
	let answeredMeter = createIntervalMeter();

	const later = (ms: number, task: () => void): void => {
		const cancel = clock.after(ms, () => {
			waits.delete(cancel);
			task();
		});
		waits.add(cancel);
	};
	const pause = (ms: number): Promise<void> => new Promise((resolve) => later(ms, resolve));

	const limited = async (task: () => Promise<Answer>): Promise<Answer> => {
		const answer = limiter.run(task);
		figures.executingMax = Math.max(figures.executingMax, limiter.executing());
		figures.queuedMax = Math.max(figures.queuedMax, limiter.queued());
		if (answer) return answer;
		figures.refused++;
		return tooMany;
	};

	const behave = async (target: Target, act: () => WholeAnswer): Promise<Answer> => {
		const how = settings.misbehaviour;
		if (how.mode === "none" || how.on !== target || random() >= how.probability) return act();
		figures.misbehaved++;
		switch (chargeOf(how.mode)) {
			case "now":
				return spoil(act(), how);
			case "never":
				return spoil(processed, how);
			case "after_answer":
				later(how.delay, act);
				return spoil(processed, how);
			case "late":
				await pause(how.delay);
				return spoil(act(), how);
		}
	};

	const insert = (id: string, cents: number, requestedAtUs: number): WholeAnswer => {
		if (payments.insert(id, cents, requestedAtUs)) {
			figures.charged++;
			return processed;
		}
		figures.duplicates++;
		return whole(422, `{"message":"Payment could not be processed. CorrelationId already exists: ${id}."}`);
	};

	return {
		charge(readBody) {
			figures.posts++;
			return limited(async () => {
				const request = parsePaymentRequest(await readBody());
				if (!request) {
					figures.malformed++;
					return whole(400);
				}
				if (settings.delayMs > 0) await pause(settings.delayMs);
				if (settings.failing) {
					figures.failures++;
					return failure;
				}
				return behave("charge", () => insert(request.correlationId, request.cents, request.requestedAtUs));
			});
		},
		read(text) {
			figures.reads++;
			return limited(async () => {
				const id = parsePaymentId(text);
				if (id === undefined) return whole(400);
				return behave("read", () => {
					const found = payments.find(id);
					return found ? whole(200, `{${paymentFields(found)}}`) : whole(404);
				});
			});
		},
		async health() {
			figures.health.asked++;
			figures.health.minAskedIntervalMs = askedMeter(clock.monotonic());
			const entered = healthLimiter.enter();
			if (!entered) {
				figures.health.refused++;
				return tooMany;
			}
			await entered;
			figures.health.answered++;
			figures.health.minAnsweredIntervalMs = answeredMeter(clock.monotonic());
			return behave("health", () =>
				whole(200, `{"failing":${settings.failing},"minResponseTime":${settings.delayMs}}`),
			);
		},
		settings,
		payments,
		figures: () => figures,
		resetFigures() {
			figures = noFigures();
			askedMeter = createIntervalMeter();
			answeredMeter = createIntervalMeter();
		},
		pause,
		stop() {
			for (const cancel of waits) cancel();
			waits.clear();
			healthLimiter.stop();
		},
	};
}

/** The fields of a stored payment as the processors write them: UTC without a zone, no zeros at the end of the fraction. */
export function paymentFields({ correlationId, cents, requestedAtUs }: StoredPayment): string {
	const requestedAt = formatInstant(requestedAtUs)
		.slice(0, -1)
		.replace(/\.?0+$/, "");
	return `"correlationId":"${correlationId}","amount":${formatCents(BigInt(cents))},"requestedAt":"${requestedAt}"`;
}
