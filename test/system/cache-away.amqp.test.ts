// Availability before speed: while no cache is there, payments wait at the broker and in their deadline.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleepMs } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { freePorts } from "../../src/bench/free-ports.ts";
import { brokerInstalled, sharedBrokerUrl } from "../amqp/broker.ts";
import { overBroker } from "./broker-lab.ts";
import { report } from "./conditions.ts";
import { startLab, startRelay } from "./lab.ts";
import { startLoad, tally } from "./load.ts";
import { signal } from "./processes.ts";
import { mainModule, type Relay, runtimeCommand } from "./relay.ts";
import { until, within } from "./until.ts";

const ratePerS = 200;
const awayMs = 5_000;
const acceptDeadlineMs = 20_000;
const startMaxMs = 30_000;

describe.skipIf(!brokerInstalled)("R12", () => {
	test(`with no cache there for ${awayMs} ms, and ${acceptDeadlineMs} ms to wait, every payment is answered 202`, {
		timeout: 120_000,
	}, async () => {
		const folder = mkdtempSync(join(tmpdir(), "payrelay-"));
		onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
		const [port] = await freePorts(1);
		const settings = {
			...overBroker(sharedBrokerUrl()).settings,
			DATA_DIR: join(folder, "data"),
			RPC_ADDR: `127.0.0.1:${port}`,
		};
		const startCache = async (): Promise<Relay> => {
			const cache = await startRelay({ settings, command: [...runtimeCommand, mainModule, "cache"] });
			await until("the cache to be ready", startMaxMs, () => /^cache +ready/m.test(cache.output()));
			return cache;
		};
		const first = await startCache();
		const lab = await startLab({
			settings: {
				...settings,
				// None of its own is started then; over a broker the address says nothing else.
				CACHE_ADDR: settings.RPC_ADDR,
				ACCEPT_DEADLINE_MS: String(acceptDeadlineMs),
			},
		});
		const load = startLoad(lab.relay.url, ratePerS, 2 * acceptDeadlineMs);
		await load.firstAcknowledged(performance.now() + 1_000);
		const killedMs = performance.now();
		signal(first.supervisor, "SIGKILL");
		await within("the cache's end", startMaxMs, first.exited);
		await sleepMs(awayMs);
		const startedMs = performance.now();
		await startCache();
		const readyMs = performance.now();
		await load.firstAcknowledged(readyMs + 1_000);
		const posted = await load.stop();
		await lab.drained();
		const { findings, charged } = await lab.audit(posted);
		const waited = posted.filter(({ postedAtMs }) => postedAtMs > killedMs && postedAtMs < readyMs);
		const longestMs = Math.max(...waited.map(({ postedAtMs, answeredAtMs }) => answeredAtMs! - postedAtMs));
		const firstMs = Math.min(...waited.map(({ answeredAtMs }) => answeredAtMs!)) - readyMs;
		report(
			`${tally(posted)}; charged ${charged.default} + ${charged.fallback}; no cache for ${Math.round(readyMs - killedMs)} ms, ` +
				`of which ${Math.round(readyMs - startedMs)} to start it; ${waited.length} payments waited, the longest ` +
				`${Math.round(longestMs)} ms; the first was answered ${Math.round(firstMs)} ms after the cache was ready`,
		);
		expect(findings).toEqual([]);
		expect(posted.filter(({ told }) => told !== "acknowledged")).toEqual([]);
		expect(waited.length).toBeGreaterThan((ratePerS * awayMs) / 2_000);
	});
});
