// What the tests of the ways share: a user, and the identity service served one way with a caller of it.
import { onTestFinished } from "vitest";
import { type Identity, issueToken, verifyToken } from "../../../examples/calls/token.ts";
import type { Caller } from "../../../examples/calls/way.ts";
import { type WayName, ways } from "../../../examples/calls/ways.ts";

const secret = "for tests";
const nowMs = Date.UTC(2026, 0, 1);

export const user: Identity = {
	userId: "7",
	email: "añà@example.org",
	roles: ["customer", "reviewer"],
	expiresAt: new Date(nowMs + 1500),
};
export const token = issueToken(secret, user);
export const expiredToken = issueToken(secret, { ...user, expiresAt: new Date(nowMs) });
export const forgedToken = issueToken("another secret", user);

export async function startWay(name: WayName, at = "127.0.0.1:0"): Promise<Caller> {
	const served = await ways[name].serve((given) => verifyToken(secret, given, nowMs), at);
	const caller = await ways[name].connect(served.address);
	onTestFinished(async () => {
		await served.close();
		await caller.close();
	});
	return caller;
}
