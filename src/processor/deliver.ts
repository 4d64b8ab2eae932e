// Brings a simulated processor's answer to its caller; what no fetch handler can express goes to the bare socket.
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { type Answer, jsonType } from "./answer.ts";

const hugeChunkBytes = 64 * 1024;
const hugeChunk = new Uint8Array(hugeChunkBytes).fill(0x20);

/** `bindings`: the server's own request and answer, which cut lines need. */
export async function deliver(
	answer: Answer,
	bindings: Partial<HttpBindings>,
	pause: (ms: number) => Promise<void>,
): Promise<Response> {
	switch (answer.kind) {
		case "whole": {
			if (answer.body === "") return new Response(null, { status: answer.status, headers: { "content-length": "0" } });
			const headers: Record<string, string> = { "content-type": answer.type ?? jsonType };
			if (answer.retryAfterSeconds !== undefined) headers["retry-after"] = String(answer.retryAfterSeconds);
			return new Response(answer.body, { status: answer.status, headers });
		}
		case "huge":
			return new Response(blanks(answer.bytes), {
				headers: { "content-type": jsonType, "content-length": String(answer.bytes) },
			});
		case "cut":
			cut(bindings, answer.reset);
			return RESPONSE_ALREADY_SENT;
		case "raw": {
			const socket = bindings.outgoing?.socket;
			const pieces = answer.pauseMs > 0 ? answer.text : [answer.text];
			for (const piece of pieces) {
				if (!socket?.writable) break;
				socket.write(piece, "latin1");
				if (answer.pauseMs > 0) await pause(answer.pauseMs);
			}
			if (answer.reset) cut(bindings, true);
			else socket?.end(() => socket.destroy());
			return RESPONSE_ALREADY_SENT;
		}
	}
}

function cut(bindings: Partial<HttpBindings>, reset: boolean): void {
	const socket = bindings.outgoing?.socket;
	if (reset) socket?.resetAndDestroy();
	else socket?.destroy();
}

function blanks(bytes: number): ReadableStream<Uint8Array> {
	let left = bytes;
	return new ReadableStream({
		pull(controller) {
			if (left === 0) return controller.close();
			const chunk = hugeChunk.subarray(0, Math.min(left, hugeChunkBytes));
			left -= chunk.length;
			controller.enqueue(chunk);
		},
	});
}
