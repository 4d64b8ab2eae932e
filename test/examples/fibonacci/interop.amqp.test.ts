// R2: programs of RabbitMQ's tutorial 6 in Python and ours answer each other, on its queue in both shapes that it has had.
import { describe, expect, onTestFinished, test } from "vitest";
import type { QueueKind } from "../../../examples/fibonacci/rpc-queue.ts";
import { brokerInstalled, sharedBrokerUrl } from "../../amqp/broker.ts";
import { freshRpcQueue, startClient, startServer } from "./lab.ts";
import { pythonReady, runPython } from "./python.ts";

async function startPythonServer(kind: QueueKind): Promise<void> {
	const server = runPython("rpc_server.py", sharedBrokerUrl(), kind);
	onTestFinished(() => server.end());
	expect(await server.line()).toBe("ready");
}

async function askInPython(...bodies: string[]): Promise<(string | undefined)[]> {
	const client = runPython("rpc_client.py", sharedBrokerUrl(), ...bodies);
	onTestFinished(() => client.end());
	const answers: (string | undefined)[] = [];
	for (const _ of bodies) answers.push(await client.line());
	return answers;
}

describe.skipIf(!brokerInstalled || !pythonReady)("the tutorial's programs", () => {
	test.each<QueueKind>([
		"transient",
		"quorum",
	])("R2 the Python client is answered by our server, %s queue", async (kind) => {
		await freshRpcQueue();
		const server = await startServer({ kind });
		expect(await askInPython("30", "0", "100")).toEqual(["832040", "0", "354224848179261915075"]);
		// The reply may be here before its confirm.
		await expect.poll(() => server.counters).toMatchObject({ worked: 3, answered: 3, refused: 0 });
	});

	test("R2 the Python client is told in text what it asked wrongly, and is answered afterwards", async () => {
		await freshRpcQueue();
		await startServer();
		expect(await askInPython("thirty", "-1", "1000000000", "", "9".repeat(200), "10")).toEqual([
			'error: "thirty" is not a whole number',
			"error: -1 is not between 0 and 10000",
			"error: 1000000000 is not between 0 and 10000",
			'error: "" is not a whole number',
			"error: a request of 200 bytes is no number",
			"55",
		]);
	});

	test.each<QueueKind>([
		"transient",
		"quorum",
	])("R2 our client is answered by the Python server, %s queue", async (kind) => {
		await freshRpcQueue();
		await startPythonServer(kind);
		for (const callbackQueues of ["one per client", "one per request"] as const) {
			const client = await startClient({ callbackQueues });
			expect(await Promise.all([30, 31, 32].map((n) => client.call(n)))).toEqual([832040n, 1346269n, 2178309n]);
			expect(client.counters).toEqual({ replies: 3, missing: 0, unknown: 0, duplicate: 0, late: 0 });
		}
	});

	test.each<QueueKind>([
		"transient",
		"quorum",
	])("R2 our server joins the Python server on its %s queue, whichever it would have declared itself", async (kind) => {
		await freshRpcQueue();
		await startPythonServer(kind);
		const faults: string[] = [];
		const ours = await startServer({
			kind: kind === "quorum" ? "transient" : "quorum",
			onFault: (error) => faults.push(error.message),
		});
		const client = await startClient();
		const asked = Array.from({ length: 20 }, (_, n) => n);
		const answers = await Promise.all(asked.map((n) => client.call(n)));
		expect(answers.slice(0, 8)).toEqual([0n, 1n, 1n, 2n, 3n, 5n, 8n, 13n]);
		expect(ours.counters.worked).toBeGreaterThan(0);
		expect(ours.counters.worked).toBeLessThan(20);
		expect(faults).toEqual([]);
	});
});
