// The comparison itself: the same call every way, in turns, each service a process of its own.
import { randomBytes } from "node:crypto";
import { type Peer, startPeer } from "./lines.ts";
import type { LoadResult } from "./load.ts";
import type { Reading } from "./meter.ts";
import type { ShopRequest } from "./shop.ts";
import { issueToken, secretVariable } from "./token.ts";
import { type WayName, ways } from "./ways.ts";

export interface ComparisonOptions {
	readonly ways: readonly WayName[];
	/** Where a way needs it. */
	readonly amqpUrl?: string;
	readonly serialCalls: number;
	readonly concurrentCalls: number;
	/** So often each way has its turn; each figure is the median over the turns. */
	readonly rounds: number;
	/** Total CPU time of the broker so far, µs. */
	readonly brokerCpuUs?: () => number;
	readonly onProgress?: (what: string) => void;
}

/** Bytes and CPU are those of one call. */
export interface Row {
	readonly way: WayName;
	readonly sentBytes: number;
	readonly receivedBytes: number;
	/** At the server's sockets; without a broker in between they mirror the caller's. */
	readonly serverSentBytes: number;
	readonly serverReceivedBytes: number;
	readonly serialP50Ms: number;
	readonly serialP99Ms: number;
	readonly concurrentP50Ms: number;
	readonly concurrentP99Ms: number;
	readonly perSecond: number;
	readonly callerCpuUs: number;
	readonly serverCpuUs: number;
	/** NaN where it is not known. */
	readonly brokerCpuUs: number;
}

export const concurrency = 64;
const tokenLifeMs = 3_600_000;
/** Calls that compile the code and open the connections. */
const warmUpCalls = 3_000;

type Measured = LoadResult & Reading;
type Identity = Peer<object, Reading & { address: string }>;
type Shop = Peer<ShopRequest, Measured>;

export async function compare(options: ComparisonOptions): Promise<Row[]> {
	const secret = randomBytes(32).toString("hex");
	const token = issueToken(secret, {
		userId: "018f3c1e-6a57-7c3e-9b1d-2f4a8c6e0d11",
		email: "ada.lovelace@example.org",
		roles: ["customer", "reviewer"],
		expiresAt: new Date(Date.now() + tokenLifeMs),
	});
	const peers: { way: WayName; identity: Identity; shop: Shop; turns: Row[] }[] = [];
	try {
		for (const way of options.ways) {
			const at = ways[way].overBroker ? options.amqpUrl : "127.0.0.1:0";
			if (at === undefined) throw new Error(`${way} needs a broker`);
			const identity: Identity = startPeer("identity.ts", [way, at], { [secretVariable]: secret });
			const { address } = await identity.ask({});
			const shop: Shop = startPeer("shop.ts", [way, address]);
			peers.push({ way, identity, shop, turns: [] });
			await shop.ask({ token, calls: Math.min(warmUpCalls, options.concurrentCalls), concurrency });
		}
		for (let round = 1; round <= options.rounds; round++)
			for (const { way, identity, shop, turns } of peers) {
				options.onProgress?.(`round ${round} of ${options.rounds}: ${ways[way].title}`);
				turns.push(await measure(way, identity, shop, token, options));
			}
	} finally {
		for (const { shop, identity } of peers) {
			// In this order no server is left with connections that were cut.
			await identity.end();
			await shop.end();
		}
	}
	return peers.map(({ turns }) => median(turns));
}

async function measure(
	way: WayName,
	identity: Identity,
	shop: Shop,
	token: string,
	{ serialCalls, concurrentCalls, brokerCpuUs = () => Number.NaN }: ComparisonOptions,
): Promise<Row> {
	const first = await identity.ask({});
	const serial = await shop.ask({ token, calls: serialCalls, concurrency: 1 });
	const second = await identity.ask({});
	const brokerBefore = brokerCpuUs();
	const concurrent = await shop.ask({ token, calls: concurrentCalls, concurrency });
	const brokerAfter = brokerCpuUs();
	const third = await identity.ask({});
	return {
		way,
		sentBytes: serial.sentBytes / serialCalls,
		receivedBytes: serial.receivedBytes / serialCalls,
		serverSentBytes: (second.sentBytes - first.sentBytes) / serialCalls,
		serverReceivedBytes: (second.receivedBytes - first.receivedBytes) / serialCalls,
		serialP50Ms: serial.p50Ms,
		serialP99Ms: serial.p99Ms,
		concurrentP50Ms: concurrent.p50Ms,
		concurrentP99Ms: concurrent.p99Ms,
		perSecond: concurrent.perSecond,
		callerCpuUs: concurrent.cpuUs / concurrentCalls,
		serverCpuUs: (third.cpuUs - second.cpuUs) / concurrentCalls,
		brokerCpuUs: ways[way].overBroker ? (brokerAfter - brokerBefore) / concurrentCalls : Number.NaN,
	};
}

/** Of each figure by itself. */
function median(rows: readonly Row[]): Row {
	const [{ way, ...figures }] = rows as [Row];
	const middle = (key: keyof typeof figures) => {
		const values = rows.map((row) => row[key]).sort((a, b) => a - b);
		return values[Math.floor(values.length / 2)]!;
	};
	const entries = Object.keys(figures).map((key) => [key, middle(key as keyof typeof figures)]);
	return { way, ...Object.fromEntries(entries) };
}
