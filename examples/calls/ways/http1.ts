// Calls over HTTP/1.1, by hand: POST, a body in whatever encoding, and connections that are kept.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Pool } from "undici";
import { formatAddress, parseAddress } from "../../../src/rpc/address.ts";
import { type Identity, InvalidToken } from "../token.ts";
import type { Caller, Served, Verify, Way } from "../way.ts";

/** How the two bodies are written. */
export interface Encoding {
	readonly contentType: string;
	encode(value: unknown): Uint8Array | string;
	decode(body: Buffer): unknown;
	/** What the encoding has made of a moment. */
	readDate(value: unknown): Date;
}

const path = "/verify-token";
const bodyMaxBytes = 16 * 1024;
/** HTTP/1.1 carries one call at a time on a connection. */
const connectionsMax = 64;
/** Longer than any pause of a measurement. */
const keepAliveMs = 60_000;

export function overHttp1(title: string, encoding: Encoding): Way {
	return {
		title,
		overBroker: false,
		serve: (verify, at) => serve(encoding, verify, at),
		connect: async (address) => connect(encoding, address),
	};
}

async function serve({ contentType, encode, decode }: Encoding, verify: Verify, at: string): Promise<Served> {
	const server = createServer({ keepAliveTimeout: keepAliveMs }, (request, response) => {
		answer(request).then(
			({ status, value }) => reply(response, status, value),
			(error: Error) => reply(response, 400, { message: error.message }),
		);
	});

	async function answer(request: IncomingMessage): Promise<{ status: number; value: unknown }> {
		if (request.method !== "POST" || request.url !== path) return { status: 404, value: { message: "not found" } };
		const { token } = decode(await gather(request)) as { token?: unknown };
		if (typeof token !== "string") return { status: 400, value: { message: "a token is missing" } };
		try {
			return { status: 200, value: verify(token) };
		} catch (error) {
			if (!(error instanceof InvalidToken)) throw error;
			return { status: 401, value: { message: error.message } };
		}
	}

	function reply(response: ServerResponse, status: number, value: unknown): void {
		const body = encode(value);
		response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) });
		response.end(body);
	}

	const target = parseAddress(at);
	await new Promise<void>((resolve, reject) => server.once("error", reject).listen(target, resolve));
	const address = "path" in target ? target : { ...target, port: (server.address() as AddressInfo).port };
	return {
		address: formatAddress(address),
		async close() {
			server.close();
			server.closeAllConnections();
		},
	};
}

function connect({ contentType, encode, decode, readDate }: Encoding, address: string): Caller {
	const pool = new Pool(`http://${address}`, {
		connections: connectionsMax,
		pipelining: 1,
		keepAliveTimeout: keepAliveMs,
	});
	return {
		async verifyToken(token) {
			const { statusCode, body } = await pool.request({
				path,
				method: "POST",
				headers: { "content-type": contentType },
				body: encode({ token }),
			});
			const value = decode(Buffer.from(await body.arrayBuffer()));
			if (statusCode === 200) return readIdentity(value);
			const { message } = value as { message: string };
			throw statusCode === 401 ? new InvalidToken(message) : new Error(`${statusCode}: ${message}`);
		},
		close: () => pool.close(),
	};

	function readIdentity(value: unknown): Identity {
		const { userId, email, roles, expiresAt } = value as { [field in keyof Identity]: unknown };
		return {
			userId: String(userId),
			email: String(email),
			roles: (roles as unknown[]).map(String),
			expiresAt: readDate(expiresAt),
		};
	}
}

async function gather(request: IncomingMessage): Promise<Buffer> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of request as AsyncIterable<Buffer>) {
		bytes += chunk.length;
		if (bytes > bodyMaxBytes) throw new Error(`more than ${bodyMaxBytes} bytes`);
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}
