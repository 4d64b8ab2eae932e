// Finds what serves a stream: of our own clients on our own HTTP/2, and of anybody on node:http2 who speaks plain Connect.
import { type ConnectRouter, createServiceImplSpec } from "@connectrpc/connect";
import { contentTypeStreamProto, headerStreamEncoding } from "@connectrpc/connect/protocol-connect";
import type { DispatchOptions } from "./carrier.ts";
import type { Field } from "./h2/hpack.ts";
import { nobody, type Stream, type StreamEvents } from "./h2/stream.ts";
import { type Serve, serveStream } from "./http2-stream-server.ts";

export interface StreamDispatch {
	/** What serves such a request; `undefined` where it is not a plain one, or not one for a stream that is served. */
	find(method: string, path: string, header: Headers): Serve | undefined;
	/** Serves a stream that one of our own clients has opened. */
	accept(stream: Stream, fields: readonly Field[]): StreamEvents;
}

export interface StreamDispatchOptions extends DispatchOptions {
	/** Told of what no caller can be told. */
	readonly onFault: (error: unknown, what: string) => void;
}

export function createStreamDispatch(options: StreamDispatchOptions): StreamDispatch {
	const { routes, interceptors = [], onFault } = options;
	const byPath = new Map<string, Serve>();
	const collect: ConnectRouter = {
		handlers: [],
		service(service, implementation) {
			for (const spec of Object.values(createServiceImplSpec(service, implementation).methods))
				if (spec.kind !== "unary")
					byPath.set(`/${service.typeName}/${spec.method.name}`, serveStream(spec, interceptors, onFault));
			return collect;
		},
		rpc: () => collect,
	};
	routes(collect);

	function find(method: string, path: string, header: Headers): Serve | undefined {
		const plain = method === "POST" && header.get("content-type") === contentTypeStreamProto;
		return plain && (header.get(headerStreamEncoding) ?? "identity") === "identity" ? byPath.get(path) : undefined;
	}

	return {
		find,
		accept(stream, fields) {
			const request = read(fields);
			const serve = request && find(request.method, request.path, request.header);
			if (serve) return serve(stream, request.header, request.url);
			stream.answer([[":status", request ? "404" : "400"]]);
			stream.end();
			return nobody;
		},
	};
}

interface Request {
	readonly method: string;
	readonly path: string;
	readonly url: string;
	readonly header: Headers;
}

/** `undefined` for fields that no request can have. */
function read(fields: readonly Field[]): Request | undefined {
	const pseudo: Record<string, string> = {};
	const header = new Headers();
	try {
		for (const [name, value] of fields) {
			// RFC 9113, 8.2.1: a name is in lower case.
			if (name !== name.toLowerCase()) return undefined;
			if (name.startsWith(":")) pseudo[name] = value;
			else header.append(name, value);
		}
	} catch {
		// A name or a value that a field cannot have.
		return undefined;
	}
	const { ":method": method = "", ":path": path = "", ":authority": authority = "" } = pseudo;
	const url = URL.parse(path, `http://${authority}`)?.href;
	return url === undefined ? undefined : { method, path, url, header };
}
