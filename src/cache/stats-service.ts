// StatsService: the ledger, single payments, what is parked, the figures and the purge.
import { toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { type Clock, nowUs } from "../clock.ts";
import {
	type FiguresResponse,
	type ListParkedResponse,
	type Payment,
	PaymentSchema,
	type Settlement,
	type SettleOutcome,
	type StatsService,
} from "../gen/payrelay/v1/stats_service_pb.ts";
import { howManyFit } from "../how-many-fit.ts";
import { settleBatches } from "../rpc/batch-methods.ts";
import { serveBatches } from "../rpc/batch-server.ts";
import { decisionWords, settleWords } from "../rpc/words.ts";
import type { BrokerView } from "./broker-view.ts";
import {
	brokerToProto,
	chargeFromProto,
	figuresToProto,
	foldId,
	paymentToProto,
	settlement,
	timestampToUs,
	totalsToProto,
} from "./convert.ts";
import type { Reports } from "./reports.ts";
import type { Store } from "./store/store.ts";
import { createWatchers } from "./watchers.ts";

const parkedPageDefault = 100;
/** Of a page's payments as protobuf: as JSON they take up to six times as much, and a message may have 1 MiB. */
const parkedPageMaxBytes = 160 * 1024;
const bytesOf = (payment: Payment): number => toBinary(PaymentSchema, payment).length;
const figuresIntervalDefaultMs = 1000;
const figuresIntervalMinMs = 100;
/** Streams of figures at the same time; each costs a look at the store per interval. */
const watchersMax = 64;
const purgeWaitDefaultMs = 2000;

export interface StatsPart {
	readonly service: ServiceImpl<typeof StatsService>;
	/** Ends the streams with this error. */
	close(error: ConnectError): void;
}

export interface StatsOptions {
	readonly store: Store;
	readonly clock: Clock;
	readonly inFlightMax: number;
	/** How many consumers are connected now. */
	readonly consumers: () => number;
	readonly reports: Pick<Reports, "all">;
	/** How it is at the broker, where there is one. */
	readonly broker: () => Promise<BrokerView | undefined>;
	/** Aborts, with the error for its callers, when the service ends. */
	readonly closing: AbortSignal;
}

export function createStatsService(options: StatsOptions): StatsPart {
	const { store, clock, inFlightMax, consumers, reports, broker, closing } = options;
	const watchers = createWatchers(watchersMax);

	async function settle(settlements: readonly Settlement[]): Promise<SettleOutcome[]> {
		const outcomes = await store.settle(settlements.map(settlement));
		return outcomes.map((outcome) => settleWords.code[outcome]);
	}

	async function figures(): Promise<FiguresResponse> {
		const [now, health, view] = await Promise.all([store.figures(), store.health(), broker()]);
		return figuresToProto(now, health, {
			consumers: consumers(),
			inFlightMax,
			consumerFigures: reports.all(),
			broker: view && brokerToProto(view),
		});
	}

	/** A page of up to so many, and of no more than fit into one. */
	async function parkedPage(after: number, max: number): Promise<Omit<ListParkedResponse, "$typeName">> {
		const page = await store.parked(after, max);
		const payments = page.payments.map(paymentToProto);
		const fit = howManyFit(payments, bytesOf, parkedPageMaxBytes);
		if (fit < payments.length) return parkedPage(after, fit);
		return { payments, nextPageToken: page.next === 0 ? "" : String(page.next) };
	}

	const service: ServiceImpl<typeof StatsService> = {
		insertStats: async ({ settlements }) => ({ outcomes: await settle(settlements) }),

		insertStatsStream: serveBatches(settleBatches, settle, closing),

		async summary({ from, to }) {
			const { totals, rowsVisited } = await store.summary({
				...(from && { fromUs: timestampToUs(from, "up") }),
				...(to && { toUs: timestampToUs(to, "down") }),
			});
			return { default: totalsToProto(totals.default), fallback: totalsToProto(totals.fallback), rowsVisited };
		},

		async getPayment({ id }) {
			const payment = await store.payment(foldId(id));
			if (!payment) throw new ConnectError("no such payment in this epoch", Code.NotFound);
			return { payment: paymentToProto(payment) };
		},

		listParked: async ({ pageSize, pageToken }) => parkedPage(parsePageToken(pageToken), pageSize || parkedPageDefault),

		async resolveParked({ id, decision, who, why, charge }) {
			const resolution = { decision: decisionWords.known(decision), who, why, atUs: nowUs(clock) };
			const resolved = await store.resolve(foldId(id), resolution, charge && chargeFromProto(charge));
			switch (resolved.outcome) {
				case "resolved":
					return { payment: paymentToProto(resolved.payment) };
				case "not_found":
					throw new ConnectError("no such payment in this epoch", Code.NotFound);
				case "not_parked":
					throw new ConnectError("the payment is not parked", Code.FailedPrecondition);
				case "refused":
					throw new ConnectError(
						"the charge is not of the processor that the payment is pinned to",
						Code.FailedPrecondition,
					);
			}
		},

		figures,

		async *watchFigures({ intervalMs }, { signal }) {
			const watcher = watchers.join(signal);
			const everyMs = Math.max(intervalMs || figuresIntervalDefaultMs, figuresIntervalMinMs);
			let cancel: (() => void) | undefined;
			try {
				do {
					yield { figures: await figures() };
					cancel = clock.after(everyMs, watcher.wake);
				} while (await watcher.next());
			} finally {
				cancel?.();
				watcher.leave();
			}
		},

		async purge({ waitMs, epoch: ending }) {
			const { epoch, forgotten, keptInDoubt } = await store.purge(
				waitMs || purgeWaitDefaultMs,
				ending === 0n ? undefined : Number(ending),
			);
			return { epoch: BigInt(epoch), forgotten: BigInt(forgotten), keptInDoubt: BigInt(keptInDoubt) };
		},
	};
	return { service, close: watchers.close };
}

/** The place in the order of acceptance after which the page begins. */
function parsePageToken(token: string): number {
	if (token === "") return 0;
	const after = /^\d{1,15}$/.test(token) ? Number(token) : 0;
	if (after === 0) throw new ConnectError("page_token is not one that was given", Code.InvalidArgument);
	return after;
}
