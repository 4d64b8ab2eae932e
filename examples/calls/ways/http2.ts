// Calls by Connect over HTTP/2, with the relay's carrier: messages in protobuf's JSON or in its binary form.
import { connect, type Socket } from "node:net";
import { createConnectTransport } from "@connectrpc/connect-node";
import { systemClock } from "../../../src/clock.ts";
import { messageLimits, type RpcClient } from "../../../src/rpc/carrier.ts";
import { connectHttp2 } from "../../../src/rpc/http2-client.ts";
import { serveHttp2 } from "../../../src/rpc/http2-server.ts";
import type { Way } from "../way.ts";
import { identityCaller, identityRoutes, reportFault } from "./connect.ts";

function overHttp2(title: string, connectTo: (address: string) => RpcClient): Way {
	return {
		title,
		overBroker: false,
		async serve(verify, at) {
			const routes = identityRoutes(verify);
			const server = await serveHttp2({ routes, addresses: [at], clock: systemClock, onFault: reportFault });
			return { address: server.addresses[0]!, close: () => server.close(0) };
		},
		connect: async (address) => identityCaller(connectTo(address)),
	};
}

/** The relay itself speaks the binary form only. */
function connectJson(address: string): RpcClient {
	const { hostname, port, origin: baseUrl } = new URL(`http://${address}`);
	const sockets = new Set<Socket>();
	const transport = createConnectTransport({
		httpVersion: "2",
		baseUrl,
		useBinaryFormat: false,
		acceptCompression: [],
		nodeOptions: {
			createConnection() {
				const socket = connect({ port: Number(port), host: hostname, noDelay: true });
				sockets.add(socket);
				return socket;
			},
		},
		...messageLimits,
	});
	return {
		transport,
		close() {
			for (const socket of sockets) socket.destroy();
		},
	};
}

export const jsonOverHttp2 = overHttp2("Connect, JSON, HTTP/2", connectJson);
export const binaryOverHttp2 = overHttp2("Connect, binary protobuf, HTTP/2", (address) => connectHttp2(address));
