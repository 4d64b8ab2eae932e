// A relay and a broker that is not there yet, that refuses the relay, or that begins to refuse it.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Broker, brokerInstalled, startBroker } from "../amqp/broker.ts";
import { overBroker } from "./broker-lab.ts";
import { patience } from "./conditions.ts";
import { startLab, startRelay } from "./lab.ts";
import { newPayment, post, startLoad } from "./load.ts";
import { isAlive, signal } from "./processes.ts";
import { until, within } from "./until.ts";

const testMaxMs = 90_000;
const seenMaxMs = 30_000;
/** sysexits' EX_CONFIG: starting again is of no use. */
const exitRefused = 78;
const ratePerS = 50;

describe.skipIf(!brokerInstalled)("a relay over a broker", () => {
	let broker: Broker;
	beforeAll(async () => {
		broker = await startBroker();
	});
	afterAll(() => broker.remove());

	async function whileStopped<T>(act: () => Promise<T>): Promise<T> {
		await broker.stop();
		try {
			return await act();
		} finally {
			await broker.start();
		}
	}

	test("started before the broker it says that it waits, and starts when the broker is there", {
		timeout: testMaxMs,
	}, async () => {
		const waits = `no connection to the broker at 127.0.0.1:${broker.port}`;
		const relay = await whileStopped(async () => {
			const relay = await startRelay({ settings: { ...overBroker(broker.url).settings, ...patience } });
			await until("a line that says so", seenMaxMs, () => relay.output().split(waits).length > 2);
			expect(relay.output()).toContain("ECONNREFUSED");
			expect(relay.output()).not.toMatch(/^cache +ready/m);
			return relay;
		});
		await relay.ready();
		const payment = newPayment();
		await post(relay.url, payment);
		expect(payment.status).toBe(202);
	});

	test("killed while it waits for the broker it leaves no process behind", { timeout: testMaxMs }, async () => {
		await whileStopped(async () => {
			const relay = await startRelay({ settings: overBroker(broker.url).settings });
			await until("a cache that waits", seenMaxMs, () => relay.output().includes("no connection to the broker"));
			const children = [...relay.pids("cache"), ...relay.pids("processor default")];
			expect(children).toHaveLength(2);
			signal(relay.supervisor, "SIGKILL");
			await until("the end of its services", seenMaxMs, () => !children.some(isAlive));
		});
	});

	for (const [what, credentials, vhost, line] of [
		["a wrong password", "guest:wr0ng", "", "refuses the login of guest: see AMQP_URL and AMQP_PASSWORD_FILE"],
		["a virtual host that is not there", "guest:guest", "/nowhere", "does not let guest use the virtual host nowhere"],
	] as const)
		for (const [carrier, of] of [
			["amqp", "calls"],
			["http2", "events alone"],
		] as const)
			test(`with ${what}, for ${of}, it refuses to start, and says why`, { timeout: testMaxMs }, async () => {
				const url = `amqp://${credentials}@127.0.0.1:${broker.port}${vhost}`;
				const relay = await startRelay({ settings: { ...overBroker(url).settings, CARRIER: carrier } });
				const { code } = await within("the end", seenMaxMs, relay.exited);
				expect(code).toBe(exitRefused);
				expect(relay.output()).toContain(`the broker at 127.0.0.1:${broker.port} ${line}`);
				expect(relay.output()).not.toContain("wr0ng");
			});

	test("beside another relay of the same namespace it refuses to start, says why, and takes nothing from it", {
		timeout: 2 * testMaxMs,
	}, async () => {
		const { namespace, settings } = overBroker(broker.url);
		const lab = await startLab({ settings });
		const load = startLoad(lab.relay.url, ratePerS);
		await load.firstAcknowledged(performance.now());
		const other = await startRelay({ settings: { ...settings, AMQP_HEARTBEAT_S: "1" } });
		const { code } = await within("the end", testMaxMs, other.exited);
		expect(code).toBe(exitRefused);
		expect(other.output()).toContain(`another cache serves ${namespace} at this broker: see AMQP_NAMESPACE`);
		const posted = await load.stop();
		expect(posted.filter(({ status }) => status !== 202)).toEqual([]);
		await lab.drained();
		const { findings } = await lab.audit(posted);
		expect(findings).toEqual([]);
	});

	test("refused under way it says so, goes on trying, and is back when it is let in again", {
		timeout: testMaxMs,
	}, async () => {
		await broker.ctl("add_user", "relay", "one");
		await broker.ctl("set_permissions", "relay", ".*", ".*", ".*");
		const lab = await startLab({ settings: overBroker(`amqp://relay:one@127.0.0.1:${broker.port}`).settings });
		const load = startLoad(lab.relay.url, ratePerS);
		await load.firstAcknowledged(performance.now());
		await broker.ctl("change_password", "relay", "other");
		await broker.ctl("close_all_connections", "closed by a test");
		await until("the refusal in the log", seenMaxMs, () => lab.relay.output().includes("refuses the login of relay"));
		await broker.ctl("change_password", "relay", "one");
		await load.firstAcknowledged(performance.now());
		const posted = await load.stop();
		await lab.drained();
		const { findings } = await lab.audit(posted);
		expect(findings).toEqual([]);
	});
});
