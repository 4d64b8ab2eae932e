// What holds for every way to make the call.
import { expect, test } from "vitest";
import { type WayName, ways } from "../../../examples/calls/ways.ts";
import { expiredToken, forgedToken, startWay, token, user } from "./lab.ts";

export function testWay(name: WayName, at?: () => string): void {
	test(`${ways[name].title}: a token is verified, and one that is nobody's is refused with its reason`, async () => {
		const caller = await startWay(name, at?.());
		expect(await caller.verifyToken(token)).toEqual(user);
		for (const [given, reason] of [
			[expiredToken, "expired"],
			[forgedToken, "forged"],
			["", "malformed"],
			["a.b.c", "malformed"],
			["x".repeat(10_000), "malformed"],
			[`${token.slice(0, 8)}é${token.slice(9)}`, "forged"],
		] as const)
			await expect(caller.verifyToken(given)).rejects.toMatchObject({ name: "InvalidToken", message: reason });
		const many = Array.from({ length: 100 }, () => caller.verifyToken(token));
		expect(await Promise.all(many)).toEqual(many.map(() => user));
	});
}
