// What a bench drives: a relay and its two processors, started here or given by their addresses.
import type { Processor } from "../payment/payment.ts";
import type { Audited } from "./audit.ts";
import { createHttp } from "./http.ts";
import { launch, ready } from "./launch.ts";
import { createSampler, type Sampler } from "./processes.ts";
import { createProcessorClient, type ProcessorClient } from "./processor-client.ts";
import { createRelayClient, type RelayClient } from "./relay-client.ts";

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
	/** Of the given relay: the process whose descendants are measured. */
	readonly pid?: number | undefined;
	/** Settings of the relay that is started. */
	readonly env: Readonly<Record<string, string>>;
	readonly logPath: string;
}

export interface Target extends Audited {
	readonly url: string;
	readonly relay: RelayClient;
	readonly processors: Readonly<Record<Processor, ProcessorClient>>;
	readonly sampler: Sampler | undefined;
	/** Who is told how long each successful request beside the load took that the public script makes as well. */
	timed: (ms: number) => void;
	close(): Promise<void>;
}

const publicScriptAsks = /^\/(?:admin\/)?(?:payments-summary|configurations)/;
const usualDefaultUrl = "http://127.0.0.1:8001";
const usualFallbackUrl = "http://127.0.0.1:8002";

export async function openTarget(options: TargetOptions, signal: AbortSignal): Promise<Target> {
	const launched = options.url === undefined ? await launch(options, signal) : undefined;
	const url = launched?.url ?? options.url!;
	const { defaultUrl = usualDefaultUrl, fallbackUrl = usualFallbackUrl, pid } = launched ?? options;
	if (!launched) await ready(`${url.replace(/\/$/, "")}/payments-summary`, signal);
	const timed = (ms: number, path: string): void => {
		if (publicScriptAsks.test(path)) target.timed(ms);
	};
	const key = options.adminKey;
	const relayHttp = createHttp(url, key === undefined ? {} : { authorization: `Bearer ${key}` }, timed);
	const admin = { "x-rinha-token": options.token };
	const defaultHttp = createHttp(defaultUrl, admin, timed);
	const fallbackHttp = createHttp(fallbackUrl, admin, timed);
	const target: Target = {
		url,
		relay: createRelayClient(relayHttp),
		processors: {
			default: createProcessorClient(defaultHttp, options.token),
			fallback: createProcessorClient(fallbackHttp, options.token),
		},
		sampler: pid === undefined ? undefined : createSampler(pid),
		timed: () => {},
		async close() {
			await Promise.all([relayHttp.close(), defaultHttp.close(), fallbackHttp.close()]);
			await launched?.close();
		},
	};
	return target;
}
