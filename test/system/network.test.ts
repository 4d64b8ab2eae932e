// Bad lines between the api, the cache and the consumer, and between the consumer and a processor: cut, slow, half open.
import { renameSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleepMs } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { isLong, lengthNote, report } from "./conditions.ts";
import { type Lab, startLab } from "./lab.ts";
import { startLoad, tally } from "./load.ts";
import { signal } from "./processes.ts";
import { type LineProxy, type Place, startProxy } from "./proxy.ts";
import { until } from "./until.ts";

const ratePerS = isLong ? 500 : 250;
const phaseMs = isLong ? 5_000 : 1_200;
/** As long as it takes a service to find that its line is half open, and to make a new one. */
const deadMs = isLong ? 12_000 : 4_000;

async function proxied(target: Place, place?: Place): Promise<LineProxy> {
	const proxy = await startProxy(target, place);
	onTestFinished(() => proxy.close());
	return proxy;
}

/** What is done to the lines, one after the other. */
async function mistreat(proxy: LineProxy): Promise<void> {
	for (let n = 0; n < 4; n++) {
		proxy.cut(n % 2 === 0 ? 1 : 2);
		await sleepMs(phaseMs / 4);
	}
	proxy.set("pass", 60);
	await sleepMs(phaseMs);
	proxy.set("mute");
	await sleepMs(phaseMs);
	proxy.cut();
	proxy.set("pass");
	await sleepMs(phaseMs);
	proxy.set("dead");
	await sleepMs(deadMs);
	proxy.cut();
	proxy.set("pass");
	await sleepMs(phaseMs / 2);
}

test(`bad lines from api and consumer to the cache at ${ratePerS} payments/s (${lengthNote}): every acknowledged payment is charged once`, {
	timeout: 150_000,
}, async () => {
	const lab = await startLab({ settings: { LEASE_MS: "2000", RECLAIM_MS: "1000" } });
	// The cache goes on listening behind its socket's new name; whoever starts anew finds the proxy at the old one.
	const path = join(lab.relay.dataDir, "cache.sock");
	renameSync(path, `${path}.moved`);
	const proxy = await proxied({ path: `${path}.moved` }, { path });
	for (const service of ["api", "consumer"]) for (const pid of lab.relay.pids(service)) signal(pid, "SIGKILL");
	await until("three services behind the proxy", 20_000, () => proxy.lines() >= 3);
	await lab.relay.ready();
	await endsWell(lab, proxy);
});

test(`bad lines from the consumer to the processors at ${ratePerS} payments/s (${lengthNote}): every acknowledged payment is charged once`, {
	timeout: 150_000,
}, async () => {
	let proxy: LineProxy | undefined;
	const lab = await startLab({
		settings: { CHARGE_DEADLINE_MIN_MS: "300", CHARGE_DEADLINE_MAX_MS: "1000" },
		// The default one's lines are bad; the other is reached as ever.
		async reachDefaultAt(url) {
			proxy = await proxied({ port: Number(new URL(url).port) });
			return `http://127.0.0.1:${proxy.port}`;
		},
	});
	await endsWell(lab, proxy as LineProxy);
});

async function endsWell(lab: Lab, proxy: LineProxy): Promise<void> {
	await Promise.all([lab.default.delay(20), lab.fallback.delay(20)]);
	const load = startLoad(lab.relay.url, ratePerS);
	await load.firstAcknowledged(performance.now());
	await mistreat(proxy);
	await load.firstAcknowledged(performance.now());
	const posted = await load.stop();
	const healedMs = performance.now();
	const figures = await lab.drained();
	const { findings, charged } = await lab.audit(posted);
	report(
		`${tally(posted)}; charged ${charged.default} + ${charged.fallback}; ${figures.retries} attempts repeated; ` +
			`drained in ${Math.round(performance.now() - healedMs)} ms`,
	);
	expect(findings).toEqual([]);
	expect(figures.settlesRefused).toBe(0n);
}
