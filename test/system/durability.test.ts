// Durability by observation: what the kernel was asked before "202" left, and what callers hear when the disk fails.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished } from "vitest";
import { temporaryFolder } from "../cache/store/media.ts";
import { patience, report, testWith } from "./conditions.ts";
import { type Lab, startLab } from "./lab.ts";
import { newPayment, type Posted, post, postAll, tally } from "./load.ts";
import { signal } from "./processes.ts";
import { runtimeCommand } from "./relay.ts";
import { type Call, mayTrace, trace, traceWhole } from "./strace.ts";
import { until } from "./until.ts";

const test = testWith("strace", mayTrace());
const callers = 64;
const calls = "trace=fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg";
const settings = { ...patience, API_PROCESSES: "1" };

/** The store's log of what was committed last. */
const isToWal = ({ args }: Call): boolean => /^\d+<[^>]*-wal>/.test(args);
const isSync = ({ name, result }: Call): boolean => /^(fdatasync|fsync)$/.test(name) && result.startsWith("0");
const isAcknowledgement = ({ args }: Call): boolean => args.includes("HTTP/1.1 202");

test("no 202 leaves the api before the fdatasync of its commit has ended in the cache", {
	timeout: 60_000,
}, async () => {
	const lab = await quietLab();
	const folder = lab.relay.dataDir;
	const cache = await trace(await lab.relay.pid("cache"), join(folder, "cache.strace"), "-e", calls);
	const api = await trace(await lab.relay.pid("api"), join(folder, "api.strace"), "-e", calls);
	const posted: { fromS: number; payment: Posted }[] = [];
	for (let n = 0; n < 30; n++) {
		const payment = newPayment();
		// The same wall clock that strace reads.
		posted.push({ fromS: Date.now() / 1000, payment });
		await post(lab.relay.url, payment);
		// Dates are whole milliseconds: the next one begins in a later one.
		await until("the next millisecond", 1_000, () => Date.now() / 1000 > posted.at(-1)!.fromS + 0.002);
	}
	const atCache = await cache.stop();
	const atApi = await api.stop();
	const acknowledgements = atApi.filter(isAcknowledgement);
	expect(posted.every(({ payment }) => payment.told === "acknowledged")).toBe(true);
	expect(acknowledgements).toHaveLength(posted.length);
	for (const [n, { fromS }] of posted.entries()) {
		const leftS = acknowledgements[n]!.startedS;
		expect(leftS).toBeGreaterThanOrEqual(fromS);
		const between = atCache.filter(({ startedS, endedS }) => startedS >= fromS && endedS <= leftS);
		const written = between.findIndex((call) => call.name === "pwrite64" && isToWal(call));
		const synced = between.findLastIndex((call) => isSync(call) && isToWal(call));
		expect(written, `payment ${n}: the log is written before its 202 leaves`).toBeGreaterThanOrEqual(0);
		expect(synced, `payment ${n}: and then synced, before its 202 leaves`).toBeGreaterThan(written);
	}
});

test(`${callers} concurrent posts share commits: at most one sync for eight`, { timeout: 60_000 }, async () => {
	const lab = await quietLab();
	await postAll(lab.relay.url, 500, callers);
	const counts: number[] = [];
	const folder = lab.relay.dataDir;
	const cache = await trace(await lab.relay.pid("cache"), join(folder, "cache.strace"), "-e", "trace=fdatasync,fsync");
	const rounds = 5;
	const limits: number[] = [];
	for (let round = 0; round < rounds; round++) {
		limits.push(Date.now() / 1000);
		const posted = await postAll(lab.relay.url, callers, callers);
		expect(tally(posted)).toBe(`${callers} posted: ${callers} acknowledged 202`);
	}
	limits.push(Date.now() / 1000);
	const syncs = (await cache.stop()).filter((call) => isSync(call) && isToWal(call));
	for (let round = 0; round < rounds; round++)
		counts.push(syncs.filter(({ endedS }) => endedS >= limits[round]! && endedS < limits[round + 1]!).length);
	report(`syncs for ${callers} concurrent posts: ${counts.join(", ")}`);
	expect(Math.max(...counts)).toBeGreaterThan(0);
	expect(syncs.length).toBeLessThanOrEqual((rounds * callers) / 8);
});

test("when the disk fails to sync, callers hear 503, the cache ends and comes back, and nothing acknowledged is lost", {
	timeout: 90_000,
}, async () => {
	// Sooner than a cache can be back: until then the api repeats what it cannot tell the outcome of.
	const lab = await startLab({ settings: { ...settings, ACCEPT_DEADLINE_MS: "200" } });
	const before = await postAll(lab.relay.url, 200);
	const cache = await lab.relay.pid("cache");
	const fault = "inject=fdatasync,fsync:error=EIO";
	await trace(cache, join(lab.relay.dataDir, "cache.strace"), "-e", "trace=fdatasync,fsync", "-e", fault);
	const during = await postAll(lab.relay.url, 20, 20);
	expect(tally(during)).toBe("20 posted: 20 unclear 503");
	expect(during.every(({ retryAfter }) => /^\d+$/.test(retryAfter ?? ""))).toBe(true);
	await until("another cache", 20_000, () => {
		const [pid] = lab.relay.pids("cache");
		return pid !== undefined && pid !== cache;
	});
	const after = [newPayment()];
	await until("an acknowledgement", 10_000, async () => {
		await post(lab.relay.url, after[0] as Posted);
		return after[0]?.told === "acknowledged";
	});
	after.push(...(await postAll(lab.relay.url, 200)));
	await lab.drained();
	const { findings, acknowledged } = await lab.audit([...before, ...during, ...after]);
	expect(findings).toEqual([]);
	expect(acknowledged).toBeGreaterThan(200);
});

test("each start is counted on disk before anything can be asked of the store, so that no token comes twice", {
	timeout: 60_000,
}, async () => {
	const folder = temporaryFolder();
	const program = fileURLToPath(new URL("store-opened.ts", import.meta.url));
	for (const start of ["the first", "a later one"]) {
		const opened = await traceWhole([...runtimeCommand, program, folder], join(folder, "strace"), "-e", calls);
		const written = opened.findLastIndex((call) => call.name === "pwrite64" && isToWal(call));
		const synced = opened.findLastIndex((call) => isSync(call) && isToWal(call));
		expect(written, start).toBeGreaterThanOrEqual(0);
		expect(synced, start).toBeGreaterThan(written);
		const names = opened.findLastIndex((call) => isSync(call) && call.args.endsWith(`<${folder}>`));
		expect(names, "the names of its files").toBeGreaterThan(written);
	}
});

/** Nothing is committed but what is posted: the consumer stands still. */
async function quietLab(): Promise<Lab> {
	const lab = await startLab({ settings: { ...settings, LEASE_MS: "600000" } });
	const consumer = await lab.relay.pid("consumer");
	signal(consumer, "SIGSTOP");
	// It is to stop with the others, before the world of the test does.
	onTestFinished(() => signal(consumer, "SIGCONT"));
	await postAll(lab.relay.url, 20, 1);
	return lab;
}
