// Removes from the broker all that a run with a namespace of its own has left there.
import { connect } from "amqplib";
import { deadLetterExchange, requestQueue, deadLetterQueue as rpcDeadLetterQueue } from "../../src/rpc/amqp/names.ts";
import { deadLetterQueue, eventExchange, eventQueue } from "../choreography/topology.ts";
import { CatalogService, ReorderService, StockService, UserService } from "../gen/warehouse/v1/command_services_pb.ts";
import { InventoryService } from "../gen/warehouse/v1/inventory_service_pb.ts";

export async function removeQueues(amqpUrl: string, namespace: string): Promise<void> {
	const connection = await connect(amqpUrl);
	const channel = await connection.createChannel();
	const queues = [
		...["catalog", "user", "reorder"].flatMap((service) => [
			eventQueue(namespace, service),
			deadLetterQueue(namespace, service),
		]),
		...[InventoryService, StockService, CatalogService, UserService, ReorderService].map(({ typeName }) =>
			requestQueue(namespace, typeName),
		),
		rpcDeadLetterQueue(namespace),
	];
	for (const queue of queues) await channel.deleteQueue(queue);
	for (const exchange of [eventExchange(namespace), deadLetterExchange(namespace)])
		await channel.deleteExchange(exchange);
	await connection.close();
}
