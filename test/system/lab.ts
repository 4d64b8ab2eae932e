// One test's world: two simulated processors, a relay that charges at them, and what a test does with both.
import { onTestFinished } from "vitest";
import type { FiguresResponse } from "../../src/gen/payrelay/v1/stats_service_pb.ts";
import { type Audit, audit } from "./audit.ts";
import type { Posted } from "./load.ts";
import { type ProcessorLab, startProcessor } from "./processors.ts";
import { type Relay, type RelayOptions, spawnRelay } from "./relay.ts";
import { until } from "./until.ts";

/** The figures of the promise: everything has drained within so long after the last fault healed. */
export const drainMaxMs = 30_000;

/** How long the end of everything may take after a test, ms. */
const disposeMaxMs = 60_000;

export interface Lab {
	readonly relay: Relay;
	readonly default: ProcessorLab;
	readonly fallback: ProcessorLab;
	readonly processors: readonly [ProcessorLab, ProcessorLab];
	/** Resolves once every accepted payment is settled. */
	drained(boundMs?: number): Promise<FiguresResponse>;
	audit(posted: readonly Posted[]): Promise<Audit>;
	dispose(failed: boolean): Promise<void>;
}

export interface LabOptions extends RelayOptions {
	/** Puts something between the relay and the default processor. */
	readonly reachDefaultAt?: (url: string) => Promise<string>;
}

/** A world that ends with the test that it is called in. */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
	const lab = await createLab(options);
	onTestFinished(({ task }) => lab.dispose(task.result?.state === "fail"), disposeMaxMs);
	await lab.relay.ready();
	return lab;
}

/** A relay without processors of its own, which ends with the test that it is started in. */
export async function startRelay(options: RelayOptions = {}): Promise<Relay> {
	const relay = await spawnRelay(options);
	onTestFinished(({ task }) => relay.dispose(task.result?.state === "fail"), disposeMaxMs);
	return relay;
}

/** A world that its caller ends. */
export async function createLab(options: LabOptions = {}): Promise<Lab> {
	const processors = await Promise.all([startProcessor("default"), startProcessor("fallback")]);
	const [first, second] = processors;
	const firstUrl = (await options.reachDefaultAt?.(first.url)) ?? first.url;
	const settings = { PROCESSOR_DEFAULT_URL: firstUrl, PROCESSOR_FALLBACK_URL: second.url, ...options.settings };
	const relay = await spawnRelay({ ...options, settings });
	return {
		relay,
		default: first,
		fallback: second,
		processors,
		drained: (boundMs = drainMaxMs) =>
			until("every accepted payment to be settled", boundMs, async () => {
				const figures = await relay.stats.figures({});
				const open = figures.waiting + figures.leased + figures.inDoubt + figures.parked;
				if (open === 0n && figures.accepted === figures.settled) return figures;
				throw new Error(show(figures));
			}),
		audit: (posted) => audit(relay.url, processors, posted),
		async dispose(failed) {
			await relay.dispose(failed);
			await Promise.all(processors.map((one) => one.close()));
		},
	};
}

export function show(figures: FiguresResponse): string {
	return JSON.stringify(figures, (_, value) => (typeof value === "bigint" ? Number(value) : value));
}
