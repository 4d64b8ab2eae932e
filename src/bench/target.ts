// What a bench drives: a relay and its two processors, started here or given by their addresses.
import type { Processor } from "../payment/payment.ts";
import type { Audited } from "./audit.ts";
import { type Deployed, deploy } from "./deployment.ts";
import { createHttp } from "./http.ts";
import { launch, ready } from "./launch.ts";
import { type Memory, readMemory } from "./memory.ts";
import { createSampler, type Sampler } from "./processes.ts";
import { createProcessorClient, type ProcessorClient } from "./processor-client.ts";
import { createRelayClient, type RelayClient } from "./relay-client.ts";
import { readThrottling, type Throttling } from "./throttling.ts";

export interface TargetOptions {
	/** A relay that runs already; absent: one is started. */
	readonly url?: string | undefined;
	/** Of the processors as the bench reaches them; absent: where simulators listen by default, or are started. */
	readonly defaultUrl?: string | undefined;
	readonly fallbackUrl?: string | undefined;
	/** The processors' X-Rinha-Token. */
	readonly token: string;
	/** The relay's administration key, where it asks for one. */
	readonly adminKey?: string | undefined;
	/** The given server need not be able to forget its payments; those from before then show in its books at the end. */
	readonly purgeMayFail?: boolean;
	/** Of the given relay: the process whose descendants are measured. */
	readonly pid?: number | undefined;
	/** Settings of the relay that is started. */
	readonly env: Readonly<Record<string, string>>;
	/** The relay is started as it is deployed, each service within its limits by this command; absent: by its one command. */
	readonly limit?: string | undefined;
	readonly nginx: string;
	/** Runtime flags of deployed services. */
	readonly flags: Readonly<Record<string, string>>;
	readonly logPath: string;
}

export interface Target extends Audited {
	readonly url: string;
	readonly processorUrls: Readonly<Record<Processor, string>>;
	readonly relay: RelayClient;
	readonly processors: Readonly<Record<Processor, ProcessorClient>>;
	readonly sampler: Sampler | undefined;
	/** How long services were held up by their CPU limits; empty where nothing was started within limits. */
	throttled(): Promise<ReadonlyMap<string, Throttling>>;
	/** What is charged to services against their limits; empty where nothing was started within limits. */
	memory(): Promise<ReadonlyMap<string, Memory>>;
	/** Kills the cache with SIGKILL and has it started again; undefined where that is not in the bench's hands. */
	killCache: (() => Promise<void>) | undefined;
	/** Who is told how long each successful request beside the load took that the public script makes as well. */
	timed: (ms: number) => void;
	close(): Promise<void>;
}

const publicScriptAsks = /^\/(?:admin\/)?(?:payments-summary|configurations)/;
const usualDefaultUrl = "http://127.0.0.1:8001";
const usualFallbackUrl = "http://127.0.0.1:8002";

type Started = Omit<Deployed, "killCache"> & Partial<Pick<Deployed, "killCache">>;

async function start({ limit, ...options }: TargetOptions, signal: AbortSignal): Promise<Started> {
	if (limit !== undefined) return deploy({ ...options, limit }, signal);
	const { pid, ...launched } = await launch(options, signal);
	return { ...launched, pids: [pid] };
}

export async function openTarget(options: TargetOptions, signal: AbortSignal): Promise<Target> {
	const launched = options.url === undefined ? await start(options, signal) : undefined;
	const url = launched?.url ?? options.url!;
	const { defaultUrl = usualDefaultUrl, fallbackUrl = usualFallbackUrl } = launched ?? options;
	const pids = launched?.pids ?? (options.pid === undefined ? [] : [options.pid]);
	if (!launched) {
		const asked = `${url.replace(/\/$/, "")}/payments-summary`;
		const onWait = (maxMs: number) => process.stderr.write(`waiting for ${asked}, ${maxMs / 1000} s at most\n`);
		await ready(asked, signal, { onWait });
	}
	const timed = (ms: number, path: string): void => {
		if (publicScriptAsks.test(path)) target.timed(ms);
	};
	const key = options.adminKey;
	const relayHttp = createHttp(url, key === undefined ? {} : { authorization: `Bearer ${key}` }, timed);
	const admin = { "x-rinha-token": options.token };
	const defaultHttp = createHttp(defaultUrl, admin, timed);
	const fallbackHttp = createHttp(fallbackUrl, admin, timed);
	const relay = createRelayClient(relayHttp);
	// What a purge that failed has left behind is told by the books at the end.
	const purge = options.purgeMayFail ? () => relay.purge().catch(() => {}) : relay.purge;
	const target: Target = {
		url,
		processorUrls: { default: defaultUrl, fallback: fallbackUrl },
		relay: { ...relay, purge },
		processors: {
			default: createProcessorClient(defaultHttp, options.token),
			fallback: createProcessorClient(fallbackHttp, options.token),
		},
		sampler: pids.length === 0 ? undefined : createSampler(pids),
		throttled: () => readThrottling(options.limit === undefined ? [] : pids),
		memory: () => readMemory(options.limit === undefined ? [] : pids),
		killCache: launched?.killCache,
		timed: () => {},
		async close() {
			await Promise.all([relayHttp.close(), defaultHttp.close(), fallbackHttp.close()]);
			await launched?.close();
		},
	};
	return target;
}
