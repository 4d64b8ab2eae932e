// Kills of the cache: how long it takes until payments are accepted again, and whether any that was is lost.
import { randomBytes } from "node:crypto";
import { wait } from "../beside.ts";
import { createIds } from "../ids.ts";
import { median, worst } from "../median.ts";
import { tellNumber } from "../tell-number.ts";
import { lookUp } from "./look-up.ts";
import { addFigure, type Running } from "./state.ts";

const probeEveryMs = 20;
const probeTimeoutMs = 1_000;
const backMaxMs = 60_000;
/** Payments accepted before each kill. */
const probesBefore = 10;
const betweenKillsMs = 2_000;

/** The cache is killed, and started again; payments are posted all the while. What was acknowledged before is still there. */
export async function killInTurn({ target, state, tell, signal }: Running, kills: number): Promise<void> {
	const { killCache } = target;
	if (!killCache) return;
	const tookMs: (number | undefined)[] = [];
	const ids = createIds(randomBytes(16));
	const acknowledged: string[] = [];
	let n = 0;
	async function probe(atMs: number): Promise<number | undefined> {
		const id = ids.at(n++);
		// No answer is what a killed cache gives: it is asked again.
		const answer = await fetch(`${target.url}/payments`, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify({ correlationId: id, amount: 1 }),
			signal: AbortSignal.timeout(probeTimeoutMs),
		}).catch(() => undefined);
		await answer?.body?.cancel();
		if (answer?.status !== 202) return undefined;
		acknowledged.push(id);
		return performance.now() - atMs;
	}
	for (let kill = 0; kill < kills; kill++) {
		for (let i = 0; i < probesBefore; i++) await probe(performance.now());
		const killedMs = performance.now();
		const restarted = killCache();
		let back: number | undefined;
		const probes = new Set<Promise<unknown>>();
		// What was sent before it was dead may still be answered by the one that dies: only later ones count.
		await wait(probeEveryMs, signal);
		while (back === undefined && performance.now() - killedMs < backMaxMs && !signal.aborted) {
			const sent = probe(killedMs).then((ms) => {
				back ??= ms;
				probes.delete(sent);
			});
			probes.add(sent);
			await wait(probeEveryMs, signal);
		}
		await Promise.all(probes);
		await restarted;
		signal.throwIfAborted();
		tookMs.push(back);
		tell(`${state.name}: first 202 after SIGKILL of the cache: ${tellNumber(back, 0)} ms`);
		if (back === undefined) break;
		await wait(betweenKillsMs, signal);
	}
	if (tookMs.includes(undefined))
		// Who does not take payments is not asked what became of them.
		state.violations.push(`no payment was accepted within ${backMaxMs} ms after SIGKILL of the cache`);
	else state.violations.push(...(await lookUp(target, acknowledged)));
	addFigure(state, "first 202 after SIGKILL, median", median(tookMs), "ms");
	addFigure(state, "first 202 after SIGKILL, most", worst(tookMs), "ms");
}
