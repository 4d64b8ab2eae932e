// Calls by Connect over a broker, with the relay's carrier; the caller knows the broker and not the server.
import { type AmqpConnection, connectAmqp } from "../../../src/amqp/connection.ts";
import { readAmqpSettings } from "../../../src/amqp/settings.ts";
import { systemClock } from "../../../src/clock.ts";
import { connectAmqpRpc } from "../../../src/rpc/amqp/client.ts";
import { deadLetterExchange, deadLetterQueue, requestQueue } from "../../../src/rpc/amqp/names.ts";
import { serveAmqp } from "../../../src/rpc/amqp/server.ts";
import { IdentityService } from "../gen/identity/v1/identity_pb.ts";
import type { Way } from "../way.ts";
import { identityCaller, identityRoutes, reportFault } from "./connect.ts";

/** Of a run of its own: other runs on the same broker have others. The address is the broker's URL with it as fragment. */
const newNamespace = () => `calls-${crypto.randomUUID().slice(0, 8)}`;

export const overAmqp: Way = {
	title: "Connect, binary protobuf, AMQP",
	overBroker: true,
	async serve(verify, at) {
		const namespace = newNamespace();
		const connection = await open(at, "identity");
		const server = await serveAmqp({
			routes: identityRoutes(verify),
			connection,
			namespace,
			clock: systemClock,
			onFault: reportFault,
		});
		return {
			address: `${at}#${namespace}`,
			async close() {
				await server.close(0);
				await remove(connection, namespace);
				await connection.close();
			},
		};
	},
	async connect(address) {
		const [url, namespace] = address.split("#");
		const connection = await open(url!, "caller of identity");
		const client = connectAmqpRpc({ connection, namespace: namespace!, clock: systemClock });
		const caller = identityCaller(client);
		return {
			verifyToken: caller.verifyToken,
			async close() {
				await caller.close();
				await connection.close();
			},
		};
	},
};

async function open(amqpUrl: string, name: string): Promise<AmqpConnection> {
	const settings = await readAmqpSettings({ amqpUrl });
	return connectAmqp(settings, name, { clock: systemClock, random: Math.random, onFault: reportFault });
}

/** Durable queues stay for a service that comes back; this one does not. */
async function remove(connection: AmqpConnection, namespace: string): Promise<void> {
	const channel = connection.channel({ prefetch: 1 });
	await channel.ready();
	const declared = channel.session!.channel;
	await declared.deleteQueue(requestQueue(namespace, IdentityService.typeName));
	await declared.deleteQueue(deadLetterQueue(namespace));
	await declared.deleteExchange(deadLetterExchange(namespace));
	await channel.close();
}
