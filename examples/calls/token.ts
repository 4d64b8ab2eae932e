// Users' tokens: who it is and until when, signed so that nobody but the identity service can make one.
import { createHmac, timingSafeEqual } from "node:crypto";

export interface Identity {
	readonly userId: string;
	readonly email: string;
	readonly roles: readonly string[];
	readonly expiresAt: Date;
}

/** The message is the reason, "malformed", "forged" or "expired"; every way of calling brings it to the caller. */
export class InvalidToken extends Error {
	override readonly name = "InvalidToken";
}

/** Where the identity service finds the secret that it signs with. */
export const secretVariable = "IDENTITY_SECRET";
const tokenMaxChars = 4096;

export function issueToken(secret: string, identity: Identity): string {
	const claims = Buffer.from(JSON.stringify(identity)).toString("base64url");
	return `${claims}.${sign(secret, claims).toString("base64url")}`;
}

/** Throws an InvalidToken. */
export function verifyToken(secret: string, token: string, nowMs: number): Identity {
	const [claims, signature, ...more] = token.length > tokenMaxChars ? [] : token.split(".");
	if (claims === undefined || signature === undefined || more.length > 0) throw new InvalidToken("malformed");
	const given = Buffer.from(signature, "base64url");
	const right = sign(secret, claims);
	if (given.length !== right.length || !timingSafeEqual(given, right)) throw new InvalidToken("forged");
	const { userId, email, roles, expiresAt } = JSON.parse(Buffer.from(claims, "base64url").toString());
	const identity = { userId, email, roles, expiresAt: new Date(expiresAt) };
	if (identity.expiresAt.getTime() <= nowMs) throw new InvalidToken("expired");
	return identity;
}

function sign(secret: string, claims: string): Buffer {
	return createHmac("sha256", secret).update(claims).digest();
}
