// ProcessorService: what the deployment knows of the processors' health, who may ask them next, and how consumers are
// doing.
import type { ConnectError, ServiceImpl } from "@connectrpc/connect";
import type { ProcessorService } from "../gen/payrelay/v1/processor_service_pb.ts";
import type { Processor } from "../payment/payment.ts";
import { processorWords } from "../rpc/words.ts";
import { healthFromProto, healthToProto } from "./convert.ts";
import type { Reports } from "./reports.ts";
import type { Health, Store } from "./store/store.ts";
import { createWatchers } from "./watchers.ts";

/** Streams that watch health at the same time: every consumer has one. */
const watchersMax = 1000;

export interface ProcessorPart {
	readonly service: ServiceImpl<typeof ProcessorService>;
	/** Ends the streams with this error. */
	close(error: ConnectError): void;
}

export function createProcessorService(store: Store, reports: Pick<Reports, "add">): ProcessorPart {
	const watchers = createWatchers(watchersMax);
	/** The last report of each processor since the start; before it, what the store has is the newest. */
	const reported = new Map<Processor, Health>();

	const service: ServiceImpl<typeof ProcessorService> = {
		claimHealthPoll: ({ processor }) => store.claimPoll(processorWords.known(processor)),

		async reportHealth({ health }) {
			const answer = healthFromProto(health!);
			await store.saveHealth(answer);
			reported.set(answer.processor, answer);
			watchers.wake();
			return {};
		},

		reportConsumer({ figures }) {
			reports.add(figures!);
			return {};
		},

		async *watchHealth(_request, { signal }) {
			const watcher = watchers.join(signal);
			try {
				for (const health of await store.health())
					if (!reported.has(health.processor)) yield { health: healthToProto(health) };
				const told = new Map<Processor, Health>();
				do {
					for (const [processor, health] of reported) {
						if (told.get(processor) === health) continue;
						told.set(processor, health);
						yield { health: healthToProto(health) };
					}
				} while (await watcher.next());
			} finally {
				watcher.leave();
			}
		},
	};
	return { service, close: watchers.close };
}
