// The one command, as whoever installs the relay meets it: it starts everything, stops everything, and leaves nothing.
import { request } from "undici";
import { expect, test } from "vitest";
import { patience } from "./conditions.ts";
import { drainMaxMs, startLab, startRelay } from "./lab.ts";
import { newPayment, type Posted, post, startLoad, tally } from "./load.ts";
import { childrenOf, isAlive, signal } from "./processes.ts";
import { mainModule, type Relay, runtimeCommand } from "./relay.ts";
import { until, within } from "./until.ts";

const testMaxMs = 60_000;
const services = ["processor default", "processor fallback", "cache", "consumer", "api"];

/** A payment that the first post of it must get accepted. */
async function settles(relay: Relay): Promise<Record<string, unknown>> {
	const payment = newPayment();
	await post(relay.url, payment);
	expect(payment).toMatchObject({ told: "acknowledged", status: 202 });
	return settled(relay, payment);
}

function settled(relay: Relay, { id }: Posted): Promise<Record<string, unknown>> {
	return until("the payment to be settled", 10_000, async () => {
		const { body } = await request(`${relay.url}/payments/${id}`);
		const seen = (await body.json()) as Record<string, unknown>;
		return seen.state === "settled" && seen;
	});
}

const everyPid = (relay: Relay): number[] => services.flatMap((service) => relay.pids(service));

test("npm start serves at once: a posted payment is settled at a simulator, Ctrl-C ends it all", {
	timeout: testMaxMs,
}, async () => {
	const relay = await startRelay({ command: ["npm", "start"], detached: true, settings: patience });
	await relay.ready();
	expect(await settles(relay)).toMatchObject({ processor: "default", flagged: false });
	expect(relay.output()).toContain(relay.url);
	const started = descendantsOf(relay.supervisor);
	expect(started.length).toBeGreaterThanOrEqual(7);
	process.kill(-relay.supervisor, "SIGINT");
	await within("the relay's end after Ctrl-C", 15_000, relay.exited);
	await until("every process to have ended", 1_000, () => !started.some(isAlive));
});

test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("%s ends every process within its bounds, with exit status 0", {
	timeout: testMaxMs,
}, async (name) => {
	const relay = await startRelay({ settings: { ...patience, STOP_MS: "3000" } });
	await relay.ready();
	await settles(relay);
	const pids = everyPid(relay);
	expect(pids).toHaveLength(6);
	const startedMs = performance.now();
	expect(await relay.stop(name)).toEqual({ code: 0, signal: null });
	expect(performance.now() - startedMs).toBeLessThan(4 * 3_000);
	expect(pids.filter(isAlive)).toEqual([]);
	expect(relay.output()).not.toMatch(/killed|did not stop/);
});

test("a stop in the middle of the load loses nothing, and the next start takes it up", {
	timeout: testMaxMs,
}, async () => {
	const lab = await startLab();
	await lab.default.delay(30);
	const load = startLoad(lab.relay.url, 300);
	await load.firstAcknowledged(performance.now() + 1_500);
	expect(await lab.relay.stop()).toEqual({ code: 0, signal: null });
	const posted = await load.stop();
	const port = new URL(lab.relay.url).port;
	const again = await startRelay({
		settings: {
			DATA_DIR: lab.relay.dataDir,
			PORT: port,
			RPC_ADDR: lab.relay.rpcAddr,
			PROCESSOR_DEFAULT_URL: lab.default.url,
			PROCESSOR_FALLBACK_URL: lab.fallback.url,
		},
	});
	await again.ready();
	await lab.drained(drainMaxMs);
	const { findings, acknowledged } = await lab.audit(posted);
	expect(findings, tally(posted)).toEqual([]);
	expect(acknowledged).toBeGreaterThan(100);
	await again.stop();
});

test("a killed supervisor leaves no process behind", { timeout: testMaxMs }, async () => {
	const relay = await startRelay();
	await relay.ready();
	const pids = everyPid(relay);
	signal(relay.supervisor, "SIGKILL");
	await relay.exited;
	await until("every service to have ended", 10_000, () => !pids.some(isAlive));
});

test("each killed service is started again, and the relay works on", { timeout: testMaxMs }, async () => {
	const relay = await startRelay();
	await relay.ready();
	for (const service of services) {
		const before = relay.pids(service);
		signal(before[0] as number, "SIGKILL");
		await until(`${service} to run again`, 10_000, () => {
			const now = relay.pids(service);
			return now.length === before.length && !now.includes(before[0] as number);
		});
	}
	await relay.ready();
	await settlesAgain(relay);
});

/** An api may still find out that its cache is a new one: its callers repeat what it could not promise. */
async function settlesAgain(relay: Relay): Promise<void> {
	const payment = newPayment();
	await until("an acknowledgement", 10_000, async () => {
		await post(relay.url, payment);
		return payment.told === "acknowledged";
	});
	await settled(relay, payment);
}

const wrongSettings = [
	["PORT", "http", "1 to 65535"],
	["PORT", "65536", "1 to 65535"],
	["API_PROCESSES", "0", "1 to 16"],
	["PROCESSOR_DEFAULT_URL", "localhost:8001", "a URL"],
	["PROCESSOR_FALLBACK_FEE", "15%", "part of the amount"],
	["STORE", "postgres", "sqlite or memory"],
	["RPC_ADDR", "9998", "host:port"],
	["CHARGE_DEADLINE_MAX_MS", "1.5", "a whole number"],
	["LOG_LEVEL", "loud", "debug or info or warn or error"],
];

test.each(wrongSettings)(
	"%s=%s is refused at the start, with what was expected",
	{ timeout: testMaxMs },
	async (name, value, expected) => {
		const relay = await startRelay({ settings: { [name as string]: value as string } });
		const exit = await within("the refusal", 10_000, relay.exited);
		expect(exit.code).toBe(78);
		expect(relay.output()).toContain(name);
		expect(relay.output()).toContain(`'${value}'`);
		expect(relay.output()).toContain(expected);
		expect(relay.output()).not.toMatch(/\n {4}at /);
	},
);

const wrongPlaces = [
	["HOST", "192.0.2.1", "an address of this machine"],
	["RPC_ADDR", "nobody.invalid:1025", "an address of this machine"],
	["API_LISTEN", "unix:/nowhere/api.sock", "a folder that is there"],
	["ADMIN_KEY_FILE", "/nowhere/key", "a file of at most 1024 bytes"],
];

test.each(wrongPlaces)(
	"%s=%s is refused before anything is started, with what was expected",
	{ timeout: testMaxMs },
	async (name, value, expected) => {
		const relay = await startRelay({ settings: { [name as string]: value as string } });
		const exit = await within("the refusal", 20_000, relay.exited);
		expect(exit.code).toBe(78);
		expect(relay.output()).toContain(`${name} is ${value}. Expected`);
		expect(relay.output()).toContain(expected);
		expect(relay.output()).not.toContain(" ready ");
	},
);

test.each([
	["cahce", "'cahce' is no service"],
	["cache again", "too many arguments"],
])("what is no service is refused: %s", { timeout: testMaxMs }, async (words, told) => {
	const relay = await startRelay({ command: [...runtimeCommand, "src/main.ts", ...words.split(" ")] });
	expect((await within("the refusal", 10_000, relay.exited)).code).toBe(78);
	expect(relay.output()).toContain(told);
});

test.each(["cache", "api", "consumer", "processor"])("%s --help says where the settings are listed", {
	timeout: testMaxMs,
}, async (word) => {
	const relay = await startRelay({ command: [...runtimeCommand, "src/main.ts", word, "--help"] });
	expect((await within("the help", 10_000, relay.exited)).code).toBe(0);
	expect(relay.output()).toContain("payrelay --help lists them");
});

test("a second relay on the same data refuses to start and says why; the first works on", {
	timeout: testMaxMs,
}, async () => {
	const first = await startRelay({ settings: patience });
	await first.ready();
	const second = await startRelay({ settings: { DATA_DIR: first.dataDir } });
	const exit = await within("the refusal", 15_000, second.exited);
	expect(exit.code).toBeGreaterThan(0);
	expect(second.output()).toMatch(/lock|in use|another/i);
	expect(second.output()).toContain(first.dataDir);
	await settles(first);
});

test("a relay whose ready lines nobody reads any more serves all the same", { timeout: testMaxMs }, async () => {
	const unread = `exec ${[...runtimeCommand, mainModule].join(" ")} > >(true)`;
	const relay = await startRelay({ command: ["bash", "-c", unread], settings: patience });
	await relay.ready();
	await settles(relay);
	expect(await relay.stop()).toEqual({ code: 0, signal: null });
});

test("with both processors' URLs set no simulator is started", { timeout: testMaxMs }, async () => {
	const lab = await startLab();
	const started = childrenOf(lab.relay.supervisor).map(({ command }) => command.at(-1));
	expect(started.toSorted()).toEqual(["api", "api", "cache", "consumer"]);
	await settles(lab.relay);
	expect(await lab.default.total()).toMatchObject({ count: 1 });
});

function descendantsOf(pid: number): number[] {
	return childrenOf(pid).flatMap((child) => [child.pid, ...descendantsOf(child.pid)]);
}
