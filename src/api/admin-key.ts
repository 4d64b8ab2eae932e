// The optional key of the administrative routes; only its hash stays in memory, and comparing takes constant time.
import { createHash, timingSafeEqual } from "node:crypto";
import type { Problem } from "./problem.ts";

const bearer = /^bearer +([\x21-\x7e]+) *$/i;

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
