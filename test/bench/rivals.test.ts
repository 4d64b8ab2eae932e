import { InvalidArgumentError } from "commander";
import { expect, test } from "vitest";
import type { ScenarioResult } from "../../src/bench/results.ts";
import { compare, parseRival } from "../../src/bench/rivals.ts";

const result = (...figures: ScenarioResult["figures"]): ScenarioResult => ({
	scenario: "preview",
	figures,
	runs: [],
	violations: [],
});

test("a rival is named with its address, and with its processors' where the bench is to reach them", () => {
	const first = parseRival("floor=http://a", {});
	expect(parseRival("go=http://b,http://c,http://d", first)).toEqual({
		floor: { url: "http://a" },
		go: { url: "http://b", defaultUrl: "http://c", fallbackUrl: "http://d" },
	});
});

test.each(["http://a", "=http://a", "a=", "a=b,c", "a=b,c,d,e", "relay=http://a"])("%s is refused", (text) => {
	expect(() => parseRival(text, {})).toThrow(InvalidArgumentError);
});

test("figures stand side by side with their ratio, and one that a rival has not is left open", () => {
	const own = result({ name: "p99", value: 3, unit: "ms" }, { name: "CPU", value: 300, unit: "us a payment" });
	const lines = compare(own, { go: result({ name: "p99", value: 2, unit: "ms" }) });
	expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
		["unit", "relay", "go", "relay / go"],
		["p99", "ms", "3", "2", "1.50"],
		["CPU", "us a payment", "300", "-", "-"],
		["broken promises", "0", "0", "-"],
	]);
});
