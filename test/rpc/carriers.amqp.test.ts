// The carriers' one contract, over a real broker.
import { Code } from "@connectrpc/connect";
import { describe, expect } from "vitest";
import { connectAmqp } from "../../src/amqp/connection.ts";
import { systemClock } from "../../src/clock.ts";
import { connectAmqpRpc } from "../../src/rpc/amqp/client.ts";
import { serveAmqp } from "../../src/rpc/amqp/server.ts";
import { brokerInstalled, sharedBrokerUrl } from "../amqp/broker.ts";
import { amqpSettings } from "../amqp/settings.ts";
import { carrierContract } from "./carrier-contract.ts";

describe.skipIf(!brokerInstalled)("R1", () => {
	carrierContract(
		"over AMQP",
		async (routes, interceptors) => {
			const faults: unknown[] = [];
			const namespace = `test-${crypto.randomUUID()}`;
			const clock = systemClock;
			const onFault = (error: unknown) => faults.push(error);
			const settings = amqpSettings(sharedBrokerUrl());
			const connect = (name: string) => connectAmqp(settings, name, { clock, random: Math.random, onFault });
			const [serverSide, clientSide] = [connect("server"), connect("client")];
			const server = await serveAmqp({ connection: serverSide, namespace, routes, interceptors, clock, onFault });
			const client = connectAmqpRpc({ connection: clientSide, namespace, clock });
			return {
				transport: client.transport,
				async close() {
					await client.close();
					await server.close(1000);
					await Promise.all([serverSide.close(), clientSide.close()]);
					expect(faults).toEqual([]);
				},
			};
		},
		{ unservedService: Code.Unavailable },
	);
});
