// How often and how long processes were held up by their CPU limits, as the kernel counts it by control group.
import { figureOf, readGroup, type ServiceGroup } from "./service-group.ts";

export interface Throttling {
	/** Periods of the scheduler (0.1 s) in which anything ran, and those in which the limit was met. */
	readonly periods: number;
	readonly throttled: number;
	readonly throttledMs: number;
}

/** By service, all its processes together; empty where the system does not tell. */
export async function readThrottling(pids: readonly number[]): Promise<ReadonlyMap<string, Throttling>> {
	const found = new Map<string, Throttling>();
	for (const pid of pids) {
		const read = await readGroup(pid, "cpu", readOne);
		if (!read) continue;
		const before = found.get(read.name) ?? { periods: 0, throttled: 0, throttledMs: 0 };
		found.set(read.name, plus(before, read.throttling, 1));
	}
	return found;
}

export function throttlingSince(now: ReadonlyMap<string, Throttling>, before: ReadonlyMap<string, Throttling>) {
	return new Map([...now].map(([name, one]) => [name, plus(one, before.get(name), -1)]));
}

function plus(one: Throttling, other: Throttling | undefined, sign: 1 | -1): Throttling {
	const sum = (of: keyof Throttling): number => one[of] + sign * (other?.[of] ?? 0);
	return { periods: sum("periods"), throttled: sum("throttled"), throttledMs: sum("throttledMs") };
}

async function readOne({ name, text }: ServiceGroup): Promise<{ name: string; throttling: Throttling }> {
	const stat = await text("cpu.stat");
	return {
		name,
		throttling: {
			periods: figureOf(stat, "nr_periods"),
			throttled: figureOf(stat, "nr_throttled"),
			throttledMs: figureOf(stat, "throttled_time") / 1e6 + figureOf(stat, "throttled_usec") / 1e3,
		},
	};
}
