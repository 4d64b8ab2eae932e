import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { type HealthClient, healthPauseDefaults, watchHealth } from "../../src/consumer/health.ts";
import { createFakeClock } from "../fake-clock.ts";

const pollGapMs = 5_000;

/** Grants one poll a gap to whoever comes, as the queue's service does, and tells every watcher of every report. */
function setup() {
	const clock = createFakeClock();
	/** When each processor was last granted. */
	const granted = new Map<number, number>();
	const watchers = new Set<(health: object) => void>();
	const world = { away: false };
	const check = () => {
		if (world.away) throw new ConnectError("away", Code.Unavailable);
	};
	const client = {
		async claimHealthPoll({ processor }: { processor: number }) {
			check();
			const waitMs = (granted.get(processor) ?? Number.NEGATIVE_INFINITY) + pollGapMs - clock.monotonic();
			if (waitMs > 0) return { granted: false, nextMs: waitMs };
			granted.set(processor, clock.monotonic());
			return { granted: true, nextMs: pollGapMs };
		},
		async reportHealth({ health }: { health: object }) {
			check();
			for (const tell of watchers) tell(health);
			return {};
		},
		async *watchHealth(_: unknown, { signal }: { signal: AbortSignal }) {
			check();
			const heard: object[] = [];
			let wake = () => {};
			const tell = (health: object) => {
				heard.push(health);
				wake();
			};
			watchers.add(tell);
			signal.addEventListener("abort", () => wake());
			while (!signal.aborted && !world.away) {
				while (heard.length > 0) yield { health: heard.shift() };
				await new Promise<void>((resolve) => {
					wake = resolve;
				});
			}
			watchers.delete(tell);
		},
	} as unknown as HealthClient;
	const asked: { readonly processor: string; readonly atMs: number }[] = [];
	const consumer = () => {
		const told: string[] = [];
		const controller = new AbortController();
		const ended = watchHealth(
			{
				client,
				gateway: {
					health: async (processor) => {
						asked.push({ processor, atMs: clock.monotonic() });
						return { reachable: true, failing: processor === "default", minResponseMs: 7 };
					},
				},
				clock,
				random: () => 0.5,
				pause: healthPauseDefaults,
				onHealth: (processor, { failing, minResponseMs }, ageMs) =>
					told.push(`${processor} ${failing} ${minResponseMs} ${ageMs}`),
				onError: (error) => told.push(String(error)),
			},
			controller.signal,
		);
		return { told, close: () => controller.abort(), ended };
	};
	return { clock, world, asked, consumer };
}

test("however many consumers there are, each processor is asked once a gap, and all are told", async () => {
	const { clock, asked, consumer } = setup();
	const all = [consumer(), consumer(), consumer()];
	await clock.advance(51_000);
	for (const processor of ["default", "fallback"]) {
		const atMs = asked.filter((one) => one.processor === processor).map((one) => one.atMs);
		expect(atMs.length).toBeGreaterThanOrEqual(10);
		for (let i = 1; i < atMs.length; i++) expect(atMs[i]! - atMs[i - 1]!).toBeGreaterThanOrEqual(pollGapMs);
	}
	for (const { told } of all) {
		expect(told.filter((line) => line === "default true 7 0").length).toBeGreaterThanOrEqual(10);
		expect(told.filter((line) => line === "fallback false 7 0").length).toBeGreaterThanOrEqual(10);
	}
	for (const { close } of all) close();
	await clock.settle();
	await Promise.all(all.map(({ ended }) => ended));
	expect(clock.pending()).toBe(0);
});

test("while the service is away nobody is asked; when it is back, polling and watching go on", async () => {
	const { clock, world, asked, consumer } = setup();
	const one = consumer();
	await clock.advance(100);
	world.away = true;
	await clock.advance(60_000);
	expect(asked).toHaveLength(2);
	world.away = false;
	await clock.advance(10_000);
	expect(asked.length).toBeGreaterThanOrEqual(4);
	expect(one.told.every((line) => !line.includes("Error"))).toBe(true);
	one.close();
	await clock.settle();
	await one.ended;
	expect(clock.pending()).toBe(0);
});
