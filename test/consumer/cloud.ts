// A queue service for tests: leases, pins, releases and settles in memory, that can be cut off, and come back.
import { Code, ConnectError } from "@connectrpc/connect";
import type { HealthClient } from "../../src/consumer/health.ts";
import { type Job, NoAnswer, type Queue } from "../../src/consumer/ports.ts";
import type { ReportClient } from "../../src/consumer/report.ts";
import type { StreamClient } from "../../src/consumer/stream.ts";
import type { ConsumerFigures } from "../../src/gen/payrelay/v1/stats_service_pb.ts";
import type { PinOutcome } from "../../src/payment/outcome.ts";
import { sentAtUs } from "./harness.ts";

interface Held {
	readonly job: Job;
	pinned?: string;
}

/** One session's view of the queue: what it gave out, and what became of it. */
export function createCloud({ leaseMs = 9_000, inFlightMax = 512 } = {}) {
	const out = new Map<bigint, Held>();
	const waiting: Job[] = [];
	const log: string[] = [];
	const opened: { held: bigint[]; credit: number; retryCredit: number; pursuitCredit: number; sessionId: string }[] =
		[];
	const renewed: bigint[][] = [];
	let wake: (() => void) | undefined;
	const world = {
		away: false,
		/** Tokens that it will say are lost at the next reclaim or renewal. */
		forget: new Set<bigint>(),
		health: [] as { processor: number; failing: boolean }[],
		polls: 0,
		/** Payments that are still to come. */
		backlog: 0,
		/** What becomes of pins under leases that hold. */
		pinAs: "pinned" as "pinned" | "no_slot" | "purging",
	};

	const check = () => {
		if (world.away) throw new ConnectError("away", Code.Unavailable);
	};
	const reach = () => {
		if (world.away) throw new NoAnswer("away");
	};
	function lost(tokens: readonly bigint[]): bigint[] {
		const gone = tokens.filter((token) => world.forget.has(token) || !out.has(token));
		for (const token of gone) out.delete(token);
		return gone;
	}

	async function* dequeue(request: Parameters<StreamClient["dequeueBatch"]>[0], signal?: AbortSignal) {
		check();
		const held = (request.held ?? []).map(({ token }) => token as bigint);
		const { credit = 0, retryCredit = 0, pursuitCredit = 0, sessionId = "" } = request;
		opened.push({ held, credit, retryCredit, pursuitCredit, sessionId });
		signal?.addEventListener("abort", () => wake?.());
		yield { jobs: [], lost: lost(held), leaseMs, inFlightMax, backlog: world.backlog };
		while (!world.away && !signal?.aborted) {
			const jobs = waiting.splice(0);
			for (const job of jobs) out.set(job.token, { job });
			if (jobs.length > 0)
				yield { jobs: jobs.map(toProto), lost: [], leaseMs: 0, inFlightMax: 0, backlog: world.backlog };
			else
				await new Promise<void>((resolve) => {
					wake = resolve;
				});
		}
		throw new ConnectError(world.away ? "away" : "cancelled", world.away ? Code.Unavailable : Code.Canceled);
	}

	const toProto = (job: Job) => ({
		...job,
		...(job.pin && {
			pin: { processor: job.pin.processor === "default" ? 1 : 2, requestedAtUs: BigInt(job.pin.requestedAtUs) },
		}),
	});

	const stream = {
		dequeueBatch: (request: never, options?: { signal?: AbortSignal }) => dequeue(request, options?.signal),
		renew: async ({ tokens }: { tokens: bigint[] }) => {
			check();
			renewed.push(tokens);
			return { lost: lost(tokens) };
		},
	} as unknown as StreamClient;

	const health = {
		claimHealthPoll: async () => {
			check();
			world.polls++;
			return { granted: world.polls <= 2, nextMs: 5_000 };
		},
		reportHealth: async ({ health: said }: { health: { processor: number; failing: boolean } }) => {
			check();
			world.health.push(said);
			return {};
		},
		watchHealth: async function* (_: unknown, options?: { signal?: AbortSignal }) {
			check();
			await new Promise<void>((resolve) => options?.signal?.addEventListener("abort", () => resolve()));
			yield {};
		},
	} as unknown as HealthClient;

	const reported: ConsumerFigures[] = [];
	const reports = {
		reportConsumer: async ({ figures }: { figures: ConsumerFigures }) => {
			check();
			reported.push(figures);
			return {};
		},
	} as unknown as ReportClient;

	const queue: Queue = {
		async pin(job, processor): Promise<PinOutcome> {
			reach();
			const held = out.get(job.token);
			if (!held) return { outcome: "fenced" };
			if (world.pinAs !== "pinned") return { outcome: world.pinAs };
			held.pinned = processor;
			log.push(`pin ${job.token} ${processor}`);
			return { outcome: "pinned", requestedAtUs: sentAtUs };
		},
		async release(job, result) {
			reach();
			if (!out.delete(job.token)) return "fenced";
			log.push(`release ${job.token} ${result}`);
			return "released";
		},
		async settle(job, charge) {
			reach();
			out.delete(job.token);
			log.push(`settle ${job.token} ${charge.processor}`);
			return "settled";
		},
	};

	return {
		stream,
		health,
		reports,
		reported,
		queue,
		log,
		out,
		opened,
		renewed,
		world,
		offer(...jobs: Job[]) {
			waiting.push(...jobs);
			wake?.();
		},
		cut() {
			world.away = true;
			wake?.();
		},
		heal() {
			world.away = false;
		},
	};
}
