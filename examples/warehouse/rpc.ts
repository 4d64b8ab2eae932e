// Calls between the services: over the broker, by the generated clients and services.
import { connectAmqpRpc } from "../../src/rpc/amqp/client.ts";
import { serveAmqp } from "../../src/rpc/amqp/server.ts";
import type { Routes, RpcClient } from "../../src/rpc/carrier.ts";
import { errorInterceptor } from "../../src/rpc/errors.ts";
import { serveHttp2 } from "../../src/rpc/http2-server.ts";
import type { Place } from "./service.ts";

/** How long calls that are under way may take when a service stops, ms. */
const graceMs = 2_000;

/** Serves over the broker. */
export async function serveRpc(place: Place, routes: Routes): Promise<void> {
	const { connection, options, clock, onFault } = place;
	const interceptors = [errorInterceptor(onFault)];
	const { namespace } = options;
	const server = await serveAmqp({ connection, namespace, routes, interceptors, clock, onFault });
	place.atEnd(() => server.close(graceMs));
}

/** Serves whoever has no broker, such as a warehouse or a person with curl; resolves to the address. */
export async function serveHttp(
	{ options, clock, log, onFault: onError, atEnd }: Place,
	routes: Routes,
): Promise<string> {
	const interceptors = [errorInterceptor(onError)];
	// Callers come and go as they like.
	const onFault = (error: unknown, what: string) => log.debug({ err: error }, what);
	const addresses = [`127.0.0.1:${options.port}`];
	const server = await serveHttp2({ routes, interceptors, addresses, clock, onFault });
	atEnd(() => server.close(graceMs));
	return `http://${server.addresses[0]}`;
}

/** Calls over the broker. */
export function connectRpc({ connection, options, clock, atEnd }: Place): RpcClient {
	const client = connectAmqpRpc({ connection, namespace: options.namespace, clock });
	atEnd(() => client.close());
	return client;
}
