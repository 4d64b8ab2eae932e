// Orchestration: the inventory knows what must happen, has it done within its bounds, and takes back what cannot be finished.
import { type Client, createClient } from "@connectrpc/connect";
import { expect, onTestFinished, test, vi } from "vitest";
import {
	CommandState,
	type GetReportResponse,
	ReportService,
	ReportState,
} from "../../examples/gen/warehouse/v1/command_services_pb.ts";
import { read, readFinalState } from "../../examples/warehouse/final-state.ts";
import { connectHttp2 } from "../../src/rpc/http2-client.ts";
import { brokerInstalled } from "../amqp/broker.ts";
import { report, type Stage, setStage, until } from "./stage.ts";

/** Several processes are started for each. */
vi.setConfig({ testTimeout: 90_000 });

const amqpTest = test.skipIf(!brokerInstalled);

function reportsOf({ fleet }: Stage): Client<typeof ReportService> {
	const rpc = connectHttp2(`127.0.0.1:${fleet.options.port}`);
	onTestFinished(rpc.close);
	return createClient(ReportService, rpc.transport);
}

async function ended(stage: Stage, reportId: string): Promise<GetReportResponse> {
	await until(
		() => read(stage.data, "inventory", `SELECT state FROM sagas WHERE report_id = '${reportId}'`)[0]?.state,
		(state) => state !== "pending" && state !== "compensating",
	);
	return reportsOf(stage).getReport({ reportId });
}

/** Mails are sent when the command that asks for them is done. */
const mailed = ({ data }: Stage, count: number) =>
	until(
		() => readFinalState(data).mails,
		({ length }) => length >= count,
	);

const stateNames = new Map<CommandState, string>(Object.entries(CommandState).map(([name, state]) => [state, name]));

const shown = ({ commands }: GetReportResponse) =>
	commands.map(({ name, state }) => `${name}: ${stateNames.get(state)}`);

amqpTest(
	"killed in the middle of a report, the inventory goes on where it was: no command has its effect twice",
	async () => {
		const stage = await setStage("orchestration");
		const { fleet, warehouse, data } = stage;
		for (const service of ["catalog", "user", "inventory"]) await fleet.start(service);
		await fleet.stop("catalog");
		await warehouse.request(report("r1", "CHAIR-1", 5));
		await until(
			() => read(data, "inventory", "SELECT attempts FROM commands WHERE position = 1")[0]?.attempts,
			(attempts) => attempts === 1,
		);
		await fleet.kill("inventory");
		await fleet.start("inventory");
		await fleet.start("catalog");
		const { state, commands } = await ended(stage, "r1");
		expect(state).toBe(ReportState.DONE);
		// As often as it had to be, and at least once in each life of the inventory.
		expect(commands[1]?.attempts).toBeGreaterThanOrEqual(2);
		expect(read(data, "inventory", "SELECT revision FROM stock")).toEqual([{ revision: 1 }]);
		expect(await mailed(stage, 2)).toEqual(["ada CHAIR-1", "ben CHAIR-1"]);
	},
);

amqpTest(
	"R21: what one service refuses is taken back by the orchestration, and stays by the choreography",
	async () => {
		const orchestration = await setStage("orchestration");
		const choreography = await setStage("choreography");
		for (const { fleet, warehouse } of [orchestration, choreography]) {
			for (const service of ["catalog", "user", "inventory"]) await fleet.start(service);
			await warehouse.request(report("r1", "LAMP-1970", 4));
			await warehouse.request(report("r2", "CHAIR-1", 1));
		}
		const taken = await ended(orchestration, "r1");
		expect(taken.state).toBe(ReportState.COMPENSATED);
		expect(shown(taken)).toEqual([
			"recalculate for sku: DONE",
			"update sku availability: FAILED",
			"update wishlists for sku: DROPPED",
			"recalculate for sku, again: DONE",
		]);
		expect(taken.commands[1]?.error).toContain("does not carry LAMP-1970");
		await ended(orchestration, "r2");
		await mailed(orchestration, 2);
		await until(
			() => readFinalState(choreography.data),
			({ catalog, mails }) => "CHAIR-1" in catalog && mails.length === 3,
		);
		const states = [orchestration, choreography].map(({ data }) => readFinalState(data));
		expect(states.map(({ stock }) => stock)).toEqual([
			{ "CHAIR-1": 1, "LAMP-1970": 0 },
			{ "CHAIR-1": 1, "LAMP-1970": 4 },
		]);
		expect(states.map(({ mails }) => mails)).toEqual([
			["ada CHAIR-1", "ben CHAIR-1"],
			["ada CHAIR-1", "ben CHAIR-1", "dan LAMP-1970"],
		]);
		expect(states[0]?.catalog).toEqual(states[1]?.catalog);
		process.stdout.write(`R21 refused by the catalog: orchestration ${JSON.stringify(states[0])}\n`);
		process.stdout.write(`R21 refused by the catalog: choreography  ${JSON.stringify(states[1])}\n`);
	},
);

amqpTest(
	"a service that does not answer in its bounds has the report taken back; what it was to do is not done later",
	async () => {
		const stage = await setStage("orchestration");
		const { fleet, warehouse, data } = stage;
		await fleet.start("catalog");
		await fleet.start("user");
		await fleet.start("inventory", "--command-timeout-ms=6000", "--attempts-max=2");
		await fleet.stop("user");
		await warehouse.request(report("r1", "CHAIR-1", 5));
		const { state, commands } = await ended(stage, "r1");
		expect(state).toBe(ReportState.COMPENSATED);
		expect(commands.map(({ name, attempts }) => [name, attempts])).toEqual([
			["recalculate for sku", 1],
			["update sku availability", 1],
			["update wishlists for sku", 2],
			["recalculate for sku, again", 1],
			["update sku availability, again", 1],
		]);
		await fleet.start("user");
		await warehouse.request(report("r2", "TABLE-2", 1));
		await ended(stage, "r2");
		await mailed(stage, 1);
		expect(readFinalState(data)).toEqual({
			stock: { "CHAIR-1": 0, "TABLE-2": 1 },
			catalog: { "CHAIR-1": false, "TABLE-2": true },
			mails: ["ben TABLE-2"],
		});
	},
);

amqpTest("a service that joins is told nothing until the inventory's plan has a command for it", async () => {
	const stage = await setStage("orchestration");
	const { fleet, warehouse, data } = stage;
	for (const service of ["catalog", "user", "inventory", "reorder"]) await fleet.start(service);
	await warehouse.request(report("r1", "CHAIR-1", 1));
	await ended(stage, "r1");
	expect(read(data, "reorder", "SELECT sku FROM items")).toEqual([]);
	await fleet.stop("inventory");
	await fleet.start("inventory", "--reorder");
	await warehouse.request(report("r2", "TABLE-2", 1));
	expect((await ended(stage, "r2")).state).toBe(ReportState.DONE);
	expect(read(data, "reorder", "SELECT sku, ordered FROM items")).toEqual([{ sku: "TABLE-2", ordered: 1 }]);
});
