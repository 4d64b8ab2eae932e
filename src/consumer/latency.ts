// Latencies of the recent past: quantiles to within a tenth, and a moving mean, in a fixed and small amount of memory.
import type { Clock } from "../clock.ts";
import { countEnded } from "./windows.ts";

export interface Latencies {
	add(ms: number): void;
	/** The quantile `q` of what was added in the last one to two windows, ms; 0 where that is nothing. */
	quantile(q: number): number;
	/** Moving mean over about the last ten, ms; 0 before the first. */
	readonly meanMs: number;
	/** When the last one was added, ms on the monotonic clock; long ago before the first. */
	readonly lastAtMs: number;
}

/** Eight buckets for each doubling, from 1/64 ms to over an hour. */
const bucketsPerDoubling = 8;
const lowestLog2 = -6;
const bucketsMax = (22 - lowestLog2) * bucketsPerDoubling;
const meanWeight = 0.1;

export function createLatencies(clock: Clock, windowMs: number): Latencies {
	let current = new Uint32Array(bucketsMax);
	let before = new Uint32Array(bucketsMax);
	const ended = countEnded(clock, windowMs);
	let lastAtMs = Number.NEGATIVE_INFINITY;
	let meanMs = 0;

	function turn(): void {
		const windows = ended();
		if (windows === 0) return;
		[before, current] = [current, before];
		current.fill(0);
		if (windows > 1) before.fill(0);
	}

	return {
		add(ms) {
			meanMs = lastAtMs === Number.NEGATIVE_INFINITY ? ms : meanMs + (ms - meanMs) * meanWeight;
			lastAtMs = clock.monotonic();
			turn();
			current[bucketOf(ms)]!++;
		},
		quantile(q) {
			turn();
			let total = 0;
			for (let i = 0; i < bucketsMax; i++) total += current[i]! + before[i]!;
			if (total === 0) return 0;
			let left = Math.ceil(total * q);
			for (let i = 0; i < bucketsMax; i++) {
				left -= current[i]! + before[i]!;
				if (left <= 0) return upperMs(i);
			}
			return upperMs(bucketsMax - 1);
		},
		get meanMs() {
			return meanMs;
		},
		get lastAtMs() {
			return lastAtMs;
		},
	};
}

function bucketOf(ms: number): number {
	const bucket = Math.floor((Math.log2(Math.max(ms, 2 ** lowestLog2)) - lowestLog2) * bucketsPerDoubling);
	return Math.min(bucket, bucketsMax - 1);
}

function upperMs(bucket: number): number {
	return 2 ** ((bucket + 1) / bucketsPerDoubling + lowestLog2);
}
