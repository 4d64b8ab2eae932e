// The processors' health: each is polled by whichever consumer the queue's service lets do so, and everybody is told.
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { type Backoff, backoffMs } from "../backoff.ts";
import { type Clock, nowUs } from "../clock.ts";
import type { ProcessorService } from "../gen/payrelay/v1/processor_service_pb.ts";
import { type Processor, processors } from "../payment/payment.ts";
import { processorWords } from "../rpc/words.ts";
import type { Gateway, HealthAnswer } from "./ports.ts";

export type HealthClient = Pick<Client<typeof ProcessorService>, "claimHealthPoll" | "reportHealth" | "watchHealth">;

export interface HealthOptions {
	readonly client: HealthClient;
	readonly gateway: Pick<Gateway, "health">;
	readonly clock: Clock;
	readonly random: () => number;
	/** `ageMs`: how long ago the processor said so. */
	readonly onHealth: (processor: Processor, answer: HealthAnswer, ageMs: number) => void;
	/** Between tries while the queue is away. */
	readonly pause: Backoff;
	/** Told of what the service should never say. */
	readonly onError: (error: unknown) => void;
}

export const healthPauseDefaults: Backoff = { baseMs: 50, maxMs: 2_000 };
/** Deadline of the two short calls, ms. */
const callMs = 2_000;
/** The shortest and the longest wait until the next claim, ms, whatever the service says. */
const nextMinMs = 10;
const nextMaxMs = 60_000;
/** Claims of several consumers are spread over so many ms, so that not all come at the moment the poll is free. */
const spreadMs = 20;

/** Polls and watches until `signal` aborts; then resolves. */
export async function watchHealth(options: HealthOptions, signal: AbortSignal): Promise<void> {
	await Promise.all([follow(options, signal), ...processors.map((processor) => poll(processor, options, signal))]);
}

async function poll(processor: Processor, options: HealthOptions, signal: AbortSignal): Promise<void> {
	const { client, gateway, clock, random, onHealth } = options;
	await persist(options, signal, async () => {
		const named = processorWords.code[processor];
		const { granted, nextMs } = await client.claimHealthPoll({ processor: named }, { signal, timeoutMs: callMs });
		const claimedAtMs = clock.monotonic();
		if (granted) {
			const answer = await gateway.health(processor, signal);
			if (signal.aborted) return;
			onHealth(processor, answer, 0);
			const health = { processor: named, ...answer, atUs: BigInt(nowUs(clock)) };
			await client.reportHealth({ health }, { signal, timeoutMs: callMs });
		}
		const waitMs = Math.min(Math.max(nextMs, nextMinMs), nextMaxMs) + random() * spreadMs;
		await clock.sleep(Math.max(0, waitMs - (clock.monotonic() - claimedAtMs)), signal);
	});
}

async function follow({ client, clock, onHealth, ...options }: HealthOptions, signal: AbortSignal): Promise<void> {
	await persist({ clock, ...options }, signal, async (works) => {
		for await (const { health } of client.watchHealth({}, { signal, timeoutMs: 0 })) {
			works();
			if (!health) continue;
			const { reachable, failing, minResponseMs, atUs } = health;
			const ageMs = Math.max(0, clock.now() - Number(atUs) / 1000);
			onHealth(processorWords.known(health.processor), { reachable, failing, minResponseMs }, ageMs);
		}
		throw new ConnectError("the service ended the stream", Code.Unavailable);
	});
}

/** Does it again and again, with pauses that grow while it fails. */
async function persist(
	{ clock, random, pause, onError }: Pick<HealthOptions, "clock" | "random" | "pause" | "onError">,
	signal: AbortSignal,
	act: (works: () => void) => Promise<void>,
): Promise<void> {
	for (let tries = 0; !signal.aborted; ) {
		try {
			await act(() => {
				tries = 0;
			});
			tries = 0;
		} catch (error) {
			if (signal.aborted) return;
			// Away or restarting: it is asked again. Any other answer is a mistake in one of the two programs.
			if (!(error instanceof ConnectError)) onError(error);
			// An abort ends the sleep, and then the loop.
			await clock.sleep(backoffMs(pause, tries++, random), signal).catch(() => undefined);
		}
	}
}
