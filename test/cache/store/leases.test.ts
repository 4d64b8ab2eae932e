// Leases by themselves: who holds which, until when, and under which tokens.
import { expect, test } from "vitest";
import { createLeases, type Lease } from "../../../src/cache/store/leases.ts";
import { idOf } from "./payments.ts";

const row = (seq: number) => ({ id: idOf(seq), seq });
const waiting = (token: number): Lease => ({ ...row(1), token, lane: "fresh", session: "", expiresAtMs: 100 });

test("tokens of a later start are higher than all before, and starts that cannot be told apart are refused", () => {
	const [first, second] = [createLeases(1), createLeases(2)];
	const tokens = [first.grant("a", row(1), "fresh", 0), first.grant("a", row(2), "fresh", 0)].map(({ token }) => token);
	const { token } = second.grant("a", row(3), "fresh", 0);
	expect(tokens[0]).toBeGreaterThanOrEqual(first.firstToken);
	expect(tokens[1]).toBeGreaterThan(tokens[0]!);
	expect(tokens[1]).toBeLessThan(second.firstToken);
	expect(token).toBeGreaterThanOrEqual(second.firstToken);
	const last = createLeases(2 ** 21 - 1).grant("a", row(1), "fresh", 0);
	expect(Number.isSafeInteger(last.token + 2 ** 32 - 2)).toBe(true);
	expect(() => createLeases(2 ** 21)).toThrow();
});

test("a lease that waits for its consumer is taken up by who names it, once, and under its own id", () => {
	const leases = createLeases(2);
	leases.restore(waiting(7));
	expect(leases.reclaim("a", { id: idOf(2), token: 7 }, 500)).toBe(false);
	expect(leases.renew("a", 7, 200), "its consumer has not connected yet").toBe(true);
	expect(leases.reclaim("a", { id: idOf(1), token: 7 }, 500)).toBe(true);
	expect(leases.reclaim("b", { id: idOf(1), token: 7 }, 900)).toBe(false);
	expect(leases.renew("b", 7, 900)).toBe(false);
	expect(leases.ofSession("a").map(({ token }) => token)).toEqual([7]);
	expect(leases.expired(499)).toEqual([]);
	expect(leases.expired(500)).toHaveLength(1);
});

test("those for payments in doubt are counted apart, whatever ends them, and however often", () => {
	const leases = createLeases(1);
	const fresh = leases.grant("a", row(5), "fresh", 0);
	const pursuit = leases.grant("a", row(3), "default", 0);
	expect([leases.size, leases.freshSize(), leases.pursuitSize()]).toEqual([2, 1, 1]);
	expect(leases.lowestSeq(), "of the fresh ones").toBe(5);
	for (const lease of [pursuit, pursuit]) leases.end(lease);
	expect([leases.size, leases.freshSize(), leases.pursuitSize()]).toEqual([1, 1, 0]);
	leases.end(fresh);
	leases.grant("a", row(3), "fallback", 0);
	const turn = leases.pursuitTurn();
	leases.clear();
	expect([leases.size, leases.freshSize(), leases.pursuitSize()]).toEqual([0, 0, 0]);
	expect(leases.pursuitTurn()).not.toBe(turn);
	expect(leases.lowestSeq()).toBe(Number.POSITIVE_INFINITY);
});
