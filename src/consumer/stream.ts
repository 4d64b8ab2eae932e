// The stream of jobs from the queue, kept open: over cuts and restarts of the queue, whatever is in hand is taken up
// again, so that a charge in flight does not become a doubt.
import { type Client, ConnectError } from "@connectrpc/connect";
import { type Backoff, backoffMs } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import type { Job as ProtoJob, QueueService } from "../gen/payrelay/v1/queue_service_pb.ts";
import type { Logger } from "../log.ts";
import { pinFromProto } from "./convert.ts";
import type { Hand, Hands } from "./hands.ts";
import type { Job } from "./ports.ts";

export type StreamClient = Pick<Client<typeof QueueService>, "dequeueBatch" | "renew">;

export interface StreamOptions {
	readonly client: StreamClient;
	/** One for the life of the process: leases belong to it. */
	readonly session: string;
	readonly credit: number;
	/** Of the credit, the most for payments that had an attempt before. */
	readonly retryCredit: number;
	readonly pursuitCredit: number;
	readonly hands: Hands;
	readonly clock: Clock;
	readonly random: () => number;
	readonly log: Pick<Logger, "info" | "warn">;
	/** Pauses between tries to connect. Together well below the time that a restarted queue waits for its consumers. */
	readonly reconnect: Backoff;
	readonly onJobs: (hands: Hand[]) => void;
	/** How many more payments this consumer has to expect, told before `onJobs`; 0 while the queue is away. */
	readonly onBacklog: (payments: number) => void;
	readonly onLost: (hands: Hand[]) => void;
	/** Taken up again although their end came in the meantime: leases that nobody works under. */
	readonly onStray: (hands: Hand[]) => void;
	readonly onConnected: (connected: boolean, inFlightMax: number) => void;
	/** Told of what is neither the queue's absence nor its answer; the stream is opened again all the same. */
	readonly onError: (error: unknown) => void;
}

export interface JobStream {
	/** Resolves once `signal` aborts. */
	run(signal: AbortSignal): Promise<void>;
	/** Renews leases until `signal` aborts; goes on beyond the stream's end, for what is still in hand. */
	renew(signal: AbortSignal): Promise<void>;
}

export const reconnectDefaults: Backoff = { baseMs: 20, maxMs: 1_000 };
/** Renewals in one length of a lease. */
const renewalsPerLease = 3;
/** Until the queue has said how long a lease is: taken for its length, and waited for its first word, ms. */
const leaseUnknownMs = 5_000;
/** Tokens in one renewal: the contract's bound. */
const renewMax = 20_000;

export function createJobStream(options: StreamOptions): JobStream {
	const { client, session, credit, retryCredit, pursuitCredit, hands, clock, random, log, reconnect } = options;
	let leaseMs = leaseUnknownMs;
	/** Cuts the stream that is open. */
	let cut: (() => void) | undefined;

	function lose(tokens: readonly bigint[]): void {
		if (tokens.length > 0) options.onLost(hands.lose(tokens));
	}

	async function open(controller: AbortController, onFirst: () => void): Promise<void> {
		const held = hands.all().filter((hand) => !hand.lost);
		const askedAtMs = clock.monotonic();
		const request = {
			sessionId: session,
			credit,
			retryCredit,
			pursuitCredit,
			held: held.map(({ job: { id, token } }) => ({ id, token })),
		};
		let first = true;
		for await (const response of client.dequeueBatch(request, { signal: controller.signal, timeoutMs: 0 })) {
			if (first) {
				first = false;
				leaseMs = response.leaseMs;
				lose(response.lost);
				hands.extend(held, askedAtMs, leaseMs);
				const strays = held.filter((hand) => !hand.lost && !hands.has(hand));
				if (strays.length > 0) options.onStray(strays);
				onFirst();
				options.onConnected(true, response.inFlightMax);
			}
			watchSilence(controller);
			options.onBacklog(response.backlog);
			if (response.jobs.length > 0) options.onJobs(response.jobs.map((job) => hands.take(jobFromProto(job), leaseMs)));
		}
	}

	let cancelSilence: (() => void) | undefined;
	/** The queue shows that it is alive several times in the length of a lease; a stream that does not is dead. */
	function watchSilence(controller: AbortController): void {
		cancelSilence?.();
		cancelSilence = clock.after(leaseMs, () => controller.abort(new Error("the stream of jobs is silent")));
	}

	return {
		async run(signal) {
			for (let tries = 0; !signal.aborted; tries++) {
				const controller = new AbortController();
				const abort = (): void => controller.abort(signal.reason);
				cut = () => controller.abort(new Error("leases cannot be renewed"));
				signal.addEventListener("abort", abort);
				watchSilence(controller);
				try {
					await open(controller, () => {
						if (tries > 0) log.info({ held: hands.size }, "connected to the cache again");
						tries = 0;
					});
				} catch (error) {
					if (signal.aborted) return;
					if (!(error instanceof ConnectError)) options.onError(error);
					else if (tries === 0) log.warn({ reason: error.message }, "the cache is away");
				} finally {
					cancelSilence?.();
					signal.removeEventListener("abort", abort);
					cut = undefined;
					options.onConnected(false, 0);
					options.onBacklog(0);
				}
				await clock.sleep(backoffMs(reconnect, tries, random), signal).catch(() => undefined);
			}
		},
		async renew(signal) {
			while (!signal.aborted) {
				await clock.sleep(leaseMs / renewalsPerLease, signal).catch(() => undefined);
				const held = hands.all().filter((hand) => !hand.lost);
				for (let i = 0; i < held.length && !signal.aborted; i += renewMax) {
					const some = held.slice(i, i + renewMax);
					const askedAtMs = clock.monotonic();
					const timeoutMs = Math.ceil(leaseMs / renewalsPerLease);
					try {
						const tokens = some.map((hand) => hand.job.token);
						const { lost } = await client.renew({ sessionId: session, tokens }, { signal, timeoutMs });
						lose(lost);
						hands.extend(some, askedAtMs, leaseMs);
					} catch (error) {
						if (signal.aborted) return;
						if (!(error instanceof ConnectError)) options.onError(error);
						// Connecting anew says the same as a renewal, and finds out whether the queue is still there.
						cut?.();
					}
				}
			}
		},
	};
}

function jobFromProto({ id, amountCents, token, epoch, attempts, waitedMs, pin }: ProtoJob): Job {
	const job = { id, amountCents, token, epoch, attempts, waitedMs };
	return pin ? { ...job, pin: pinFromProto(pin) } : job;
}
