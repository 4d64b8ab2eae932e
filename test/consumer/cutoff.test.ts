import { expect, test } from "vitest";
import { createDeadlines } from "../../src/consumer/cutoff.ts";
import { createFakeClock } from "../fake-clock.ts";

function setup(ms: number, outer = new AbortController()) {
	const clock = createFakeClock();
	const start = createDeadlines(clock);
	const heard: string[] = [];
	const deadline = start(ms, outer.signal);
	const listen = (name: string): (() => void) => {
		const listener = (): void => void heard.push(name);
		deadline.addEventListener("abort", listener);
		return () => deadline.removeEventListener("abort", listener);
	};
	return { clock, start, outer, deadline, heard, listen };
}

test("it aborts once its time is over, never earlier, and tells each listener once", async () => {
	const { clock, deadline, heard, listen } = setup(1_020);
	listen("first");
	listen("second");
	await clock.advance(1_019);
	expect([deadline.aborted, deadline.late, heard]).toEqual([false, false, []]);
	await clock.advance(100);
	expect([deadline.aborted, deadline.late, heard]).toEqual([true, true, ["first", "second"]]);
	deadline.end();
	expect(clock.pending()).toBe(0);
});

test("it aborts with its caller, and is not late for that", () => {
	const { clock, outer, deadline, heard, listen } = setup(1_000);
	listen("one");
	outer.abort();
	expect([deadline.aborted, deadline.late, heard]).toEqual([true, false, ["one"]]);
	deadline.end();
	expect(clock.pending()).toBe(0);
});

test("its listeners are told once, also where its time ends after its caller has", async () => {
	const { clock, outer, heard, listen } = setup(1_000);
	listen("one");
	outer.abort();
	await clock.advance(2_000);
	expect(heard).toEqual(["one"]);
});

test("one whose caller has aborted before is aborted from the start", () => {
	const controller = new AbortController();
	controller.abort();
	expect(setup(1_000, controller).deadline.aborted).toBe(true);
});

test("who does not listen any more hears nothing, the others do", async () => {
	const { clock, heard, listen } = setup(1_000);
	const stop = [listen("first"), listen("second"), listen("third")];
	stop[1]!();
	await clock.advance(1_100);
	expect(heard).toEqual(["first", "third"]);
});

test("one that has ended does not abort, and leaves the others their time", async () => {
	const { clock, start, outer, deadline, heard, listen } = setup(1_000);
	const other = start(2_000, outer.signal);
	listen("ended");
	deadline.end();
	await clock.advance(1_100);
	outer.abort();
	expect([deadline.aborted, heard]).toEqual([false, []]);
	expect([other.aborted, other.late]).toEqual([true, false]);
	other.end();
	expect(clock.pending()).toBe(0);
});
