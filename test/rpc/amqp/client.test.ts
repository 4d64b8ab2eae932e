// What a caller writes into its request where it had to wait for the broker. The connection is a fake, and open when told.
import { createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import type { ChannelOptions, ChannelSession } from "../../../src/amqp/channel.ts";
import type { AmqpConnection } from "../../../src/amqp/connection.ts";
import type { Publication } from "../../../src/amqp/message.ts";
import { connectAmqpRpc } from "../../../src/rpc/amqp/client.ts";
import { createFakeClock } from "../../fake-clock.ts";
import { failure } from "../carrier-contract.ts";
import { CarrierService } from "../gen/carrier/v1/carrier_pb.ts";

function fakeConnection() {
	const opened = Promise.withResolvers<void>();
	const published: Publication[] = [];
	let options: ChannelOptions;
	let session: ChannelSession | undefined;
	const connection = {
		channel(given: ChannelOptions) {
			options = given;
			return {
				get session() {
					return session;
				},
				ready: () => opened.promise,
				room: () => undefined,
				publish: async (publication: Publication) => void published.push(publication),
				close: async () => {},
			};
		},
	} as unknown as AmqpConnection;
	return {
		connection,
		published,
		async open() {
			const channel = { connection: {}, assertQueue: async () => {} };
			const now = { channel, consume: async () => "tag", reopen() {} } as unknown as ChannelSession;
			await options.setup?.(now);
			session = now;
			opened.resolve();
		},
	};
}

test("R7 the time that a call has waited for the broker is taken from its deadline, and from its request's", async () => {
	const clock = createFakeClock();
	const { connection, published, open } = fakeConnection();
	const rpc = connectAmqpRpc({ connection, namespace: "test", clock });
	const given = new AbortController();
	const startMs = clock.now();
	const call = failure(
		createClient(CarrierService, rpc.transport).unary({}, { timeoutMs: 30_000, signal: given.signal }),
	);
	await clock.advance(12_000);
	expect(published).toEqual([]);
	await open();
	await clock.settle();
	expect(published.map(({ properties }) => [properties?.expiration, properties?.headers?.deadline])).toEqual([
		["18000", String(startMs + 30_000)],
	]);
	given.abort();
	await call;
	await rpc.close();
});
