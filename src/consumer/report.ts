// Tells the cache now and then how this consumer is doing, so that whoever asks for the figures sees it.
import { type Client, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../clock.ts";
import type { ProcessorService } from "../gen/payrelay/v1/processor_service_pb.ts";
import { figuresToProto } from "./convert.ts";
import type { ConsumerFigures } from "./figures.ts";

export type ReportClient = Pick<Client<typeof ProcessorService>, "reportConsumer">;

export interface ReportOptions {
	readonly client: ReportClient;
	readonly session: string;
	readonly clock: Clock;
	readonly figures: () => ConsumerFigures;
	/** Told of what is neither the cache's absence nor its answer. */
	readonly onError: (error: unknown) => void;
}

/** Figures are at most so old, ms; the cache forgets a consumer that has not reported for several of these. */
const everyMs = 2_000;

/** Reports until `signal` aborts; then resolves. */
export async function report(options: ReportOptions, signal: AbortSignal): Promise<void> {
	const { client, session, clock, figures, onError } = options;
	while (!signal.aborted) {
		try {
			await client.reportConsumer({ figures: figuresToProto(session, figures()) }, { signal, timeoutMs: everyMs });
		} catch (error) {
			// Away, or of a version that does not know of it: the next report says the same, and nothing waits for it.
			if (!signal.aborted && !(error instanceof ConnectError)) onError(error);
		}
		// An abort ends the sleep, and then the loop.
		await clock.sleep(everyMs, signal).catch(() => undefined);
	}
}
