// The bench's budget is that of the deployment; throttling is told by service.
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { budget, imageFlags, instrumentFlags } from "../../src/bench/deployment.ts";
import { best, median, worst } from "../../src/bench/median.ts";
import { throttlingSince } from "../../src/bench/throttling.ts";
import { settingTable } from "../../src/setting-table.ts";

test("the bench limits each service as docker-compose.yml does, with the same runtime flags", async () => {
	const compose = await readFile(new URL("../../docker-compose.yml", import.meta.url), "utf8");
	/** A service's own lines; `api2` is made like `api1`. */
	const linesOf = (name: string): string => new RegExp(`^ {2}${name}:.*\\n(?: {4}.*\\n|\\n)*`, "m").exec(compose)![0];
	for (const [name, share] of Object.entries(budget)) {
		const lines = linesOf(name === "api2" ? "api1" : name);
		const [, cpus, memoryMb] = /cpus: "([\d.]+)", memory: (\d+)M/.exec(lines)!;
		const flags = /NODE_OPTIONS: (.*)/.exec(lines)?.[1]?.split(" ") ?? [];
		expect({ name, cpus: Number(cpus), memoryMb: Number(memoryMb), flags }).toEqual({ name, ...share });
	}
	const dockerfile = await readFile(new URL("../../Dockerfile", import.meta.url), "utf8");
	const entryPoint = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(dockerfile)![1]!) as string[];
	expect(entryPoint).toEqual(["node", ...imageFlags, "src/main.ts"]);
	// What is compiled with other flags is compiled in vain.
	expect(dockerfile.split(imageFlags.join(" "))).toHaveLength(3);
	const all = Object.values(budget);
	expect(all.reduce((sum, { cpus }) => sum + cpus, 0)).toBeCloseTo(1.5);
	expect(all.reduce((sum, { memoryMb }) => sum + memoryMb, 0)).toBeLessThanOrEqual(350);
});

test.each([
	"docker-compose.yml",
	"docker-compose.processors.yml",
])("a container of %s has longer to stop than its service takes at most", async (name) => {
	const compose = await readFile(new URL(`../../${name}`, import.meta.url), "utf8");
	const graceS = /^x-\w+: &\w+(?:\n {2}.*)*\n {2}stop_grace_period: (\d+)s/m.exec(compose)?.[1];
	expect(Number(graceS) * 1_000).toBeGreaterThan(settingTable.stopMs.default);
});

test("what measures runs with the same flags, on either runtime", async () => {
	const text = async (name: string) => await readFile(new URL(`../../${name}`, import.meta.url), "utf8");
	const { scripts } = JSON.parse(await text("package.json")) as { scripts: { bench: string } };
	expect(scripts.bench).toBe(`node ${instrumentFlags.join(" ")} src/bench/main.ts`);
	const { tasks } = JSON.parse(await text("deno.json")) as { tasks: { bench: string } };
	expect(tasks.bench).toBe(`deno run -A --v8-flags=${instrumentFlags.join()} src/bench/main.ts`);
});

test("throttling is told from one reading to the next", () => {
	const before = new Map([["api", { periods: 10, throttled: 1, throttledMs: 5 }]]);
	const now = new Map([
		["api", { periods: 30, throttled: 4, throttledMs: 25 }],
		["cache", { periods: 3, throttled: 0, throttledMs: 0 }],
	]);
	expect(throttlingSince(now, before)).toEqual(
		new Map([
			["api", { periods: 20, throttled: 3, throttledMs: 20 }],
			["cache", { periods: 3, throttled: 0, throttledMs: 0 }],
		]),
	);
});

test("of an even number of rounds the median lies between the two in the middle", () => {
	expect(median([5, 1, 3])).toBe(3);
	expect(median([4, 1, 2, 9])).toBe(3);
});

test("a round without a value is no swift one", () => {
	expect(median([undefined, 5, 3])).toBe(5);
	expect(median([undefined, 5, undefined])).toBeUndefined();
	expect(median([undefined, 5])).toBeUndefined();
	expect(worst([1, undefined])).toBeUndefined();
	expect(best([undefined, 2, 1])).toBe(1);
});
