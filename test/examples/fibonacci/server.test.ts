// The order in which the server acknowledges and answers, whatever the broker does in between.
import { expect, test } from "vitest";
import { serveFibonacci } from "../../../examples/fibonacci/server.ts";
import type { ChannelOptions, ChannelSession } from "../../../src/amqp/channel.ts";
import { type Delivery, PublishError } from "../../../src/amqp/message.ts";

async function startLab() {
	const events: string[] = [];
	const confirm = Promise.withResolvers<void>();
	let published = () => {};
	const replying = new Promise<void>((resolve) => {
		published = resolve;
	});
	let deliver: (delivery: Delivery) => void = () => {};
	const session = {
		channel: { async assertQueue() {}, async cancel() {} },
		async consume(_queue: string, onDelivery: typeof deliver) {
			deliver = onDelivery;
			return "tag";
		},
	} as unknown as ChannelSession;
	let setup: ChannelOptions["setup"];
	const server = serveFibonacci({
		connection: {
			channel(options) {
				setup = options.setup;
				return {
					session,
					async ready() {},
					room: () => undefined,
					async close() {},
					publish({ body }) {
						events.push(`reply ${new TextDecoder().decode(body)}`);
						published();
						return confirm.promise;
					},
				};
			},
		},
		onFault: (error) => events.push(error.message),
	});
	await setup!(session);
	deliver({
		message: { content: Buffer.from("10"), properties: { replyTo: "amq.gen-1", correlationId: "1" } },
		ack: () => events.push("ack"),
		reject: (requeue: boolean) => events.push(`reject ${requeue}`),
	} as unknown as Delivery);
	await replying;
	return { server, events, confirm };
}

test("a request is acknowledged only after its reply is confirmed", async () => {
	const { server, events, confirm } = await startLab();
	expect(events).toEqual(["reply 55"]);
	confirm.resolve();
	await server.close();
	expect(events).toEqual(["reply 55", "ack"]);
});

test("a request whose reply may be lost is left to be delivered again", async () => {
	const { server, events, confirm } = await startLab();
	confirm.reject(new PublishError("lost", "the broker was lost"));
	await server.close();
	expect(events).toEqual(["reply 55", "reject true"]);
});

test("a request whose caller has gone is done with", async () => {
	const { server, events, confirm } = await startLab();
	confirm.reject(new PublishError("unroutable", "312 NO_ROUTE"));
	await server.close();
	expect(events).toEqual(["reply 55", "ack"]);
	expect(server.counters).toMatchObject({ undelivered: 1, answered: 0 });
});
