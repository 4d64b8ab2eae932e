// The optional key of the administrative routes; only its hash stays in memory, and comparing takes constant time.
import { createHash, timingSafeEqual } from "node:crypto";
import { createReadStream } from "node:fs";
import { buffer } from "node:stream/consumers";
import { Refusal } from "../refusal.ts";
import type { Problem } from "./problem.ts";

const bearer = /^bearer +([\x21-\x7e]+) *$/i;
/** Well within what a request's header may take. */
const keyFileMaxBytes = 1024;

/** Reads no further than it must; white space around the key is none of it. Refuses a key that no request can present. */
export async function readAdminKey(path: string): Promise<string> {
	const refuse = (why: string): never => {
		throw new Refusal(
			`ADMIN_KEY_FILE is ${path}. Expected a file of at most ${keyFileMaxBytes} bytes with the key, one word of visible ASCII characters${why}.`,
		);
	};
	const content = await buffer(createReadStream(path, { end: keyFileMaxBytes })).catch((error: Error) =>
		refuse(` (${error.message})`),
	);
	const key = content.toString().trim();
	if (content.length > keyFileMaxBytes || bearer.exec(`bearer ${key}`)?.[1] !== key) refuse("");
	return key;
}

/** Says what is wrong with an `Authorization` header, if anything is. Without a key, everybody is let in. */
export type AdminGate = (authorization: string | null) => Problem | undefined;

export function createAdminGate(adminKey: string | undefined): AdminGate {
	if (adminKey === undefined) return () => undefined;
	const expected = sha256(adminKey);
	return (authorization) => {
		const presented = bearer.exec(authorization ?? "")?.[1];
		if (presented !== undefined && timingSafeEqual(sha256(presented), expected)) return undefined;
		return {
			kind: "unauthorized",
			detail: "Send the administrative key as Authorization: Bearer <key>.",
			headers: { "www-authenticate": 'Bearer realm="payrelay"' },
		};
	};
}

function sha256(text: string): Buffer {
	return createHash("sha256").update(text).digest();
}
