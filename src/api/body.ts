// Reads a JSON body: its size is bounded before a byte of it is kept, and its text is checked to be UTF-8.
import type { Problem } from "./problem.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** `application/json`, whatever its parameters: charset has no meaning for JSON, which is UTF-8 (RFC 8259, 8.1 and 11). */
function isJson(contentType: string | null): boolean {
	if (contentType === "application/json") return true;
	return contentType?.split(";", 1)[0]?.trim().toLowerCase() === "application/json";
}

/**
 * The body's text, or why it is refused. What declares its length cannot exceed it (the server's parser sees to that),
 * so a declared length within the bound is read in one go; any other body is counted as it comes.
 */
export async function readJsonText(request: Request, maxBytes: number): Promise<string | Problem> {
	if (!isJson(request.headers.get("content-type")))
		return {
			kind: "unsupported-media-type",
			detail: "Send the body as content-type application/json.",
			headers: { accept: "application/json" },
		};
	const coding = request.headers.get("content-encoding");
	if (coding !== null && coding.trim().toLowerCase() !== "identity")
		return {
			kind: "unsupported-media-type",
			detail: "Send the body without a content-encoding.",
			headers: { "accept-encoding": "identity" },
		};
	const declared = request.headers.get("content-length");
	if (declared !== null && !(Number(declared) <= maxBytes)) return tooLarge(maxBytes);
	let bytes: ArrayBuffer | Uint8Array | undefined;
	try {
		bytes = declared === null ? await readBounded(request.body, maxBytes) : await request.arrayBuffer();
	} catch {
		return { kind: "malformed-body", detail: "The body was cut off." };
	}
	if (bytes === undefined) return tooLarge(maxBytes);
	try {
		return utf8.decode(bytes);
	} catch {
		return { kind: "malformed-body", detail: "The body is not UTF-8 text." };
	}
}

async function readBounded(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Uint8Array | undefined> {
	const bytes = new Uint8Array(maxBytes);
	let length = 0;
	if (body)
		for await (const chunk of body) {
			if (length + chunk.byteLength > maxBytes) return undefined;
			bytes.set(chunk, length);
			length += chunk.byteLength;
		}
	return bytes.subarray(0, length);
}

function tooLarge(maxBytes: number): Problem {
	return { kind: "body-too-large", detail: `The body may have at most ${maxBytes} bytes.` };
}
