// Messages that no peer of good will sends, by the thousands, the same ones for the same seed.
import { randomBytes } from "node:crypto";
import type { ConfirmChannel, Options } from "amqplib";
import { requestProperties } from "../../../src/rpc/amqp/frame.ts";
import { newMailbox } from "../../../src/rpc/amqp/names.ts";
import { createPrng } from "../../prng.ts";
import { carrierName } from "./lab.ts";

export interface Places {
	readonly namespace: string;
	/** The service's requests. */
	readonly requests: string;
	/** Those of a server and of a caller. */
	readonly mailboxes: readonly [server: string, caller: string];
	/** A mailbox of the sender's own: what is answered to it is true, and nobody reads it. */
	readonly own: string;
	/** A queue that is none of the carrier's, and must get nothing. */
	readonly victim: string;
}

export interface Sent {
	requests: number;
	readonly mailboxes: [number, number];
}

/** A frame of the broker's default size, less what other properties take; the client library writes no more than 64 KiB. */
const hugeBytes = 60_000;
const underWayMax = 256;

/** Resolves once the broker has all of them. */
export async function sendHostile(channel: ConfirmChannel, places: Places, count: number, seed: number): Promise<Sent> {
	const { below, pick } = createPrng(seed);
	const sent: Sent = { requests: 0, mailboxes: [0, 0] };
	const streams: string[] = [];
	let underWay = 0;
	let wake = () => {};
	let failure: Error | undefined;

	const bytes = (max: number) => randomBytes(below(max));
	const word = () => pick(["", "x", "undefined", "1", "\ud800".repeat(85), "ż".repeat(100), crypto.randomUUID()]);

	function oddTable(depth = 3): Record<string, unknown> {
		const value = (): unknown =>
			pick<() => unknown>([
				() => below(2 ** 31),
				() => -1,
				() => 0.5,
				// The broker itself ends the connection of whoever sends a NaN or an infinity.
				() => ({ "!": "double", value: 1e300 }),
				() => true,
				() => null,
				() => bytes(20),
				() => [1, "two", null],
				() => ({ "!": "timestamp", value: below(2 ** 31) }),
				() => ({ "!": "decimal", value: { digits: 7, places: 2 } }),
				() => ({ "!": "float", value: 1.5 }),
				() => ({ "!": "uint8", value: 200 }),
				() => ({ "!": "int64", value: 2 ** 52 }),
				() => (depth > 0 ? oddTable(depth - 1) : "deep"),
			])();
		const names = ["path", "requestId", "header", "trailer", "deadline", "sequence", "status", "bytes"];
		const odd = ["toString", "valueOf", "__proto__", "constructor", "", "x"];
		return Object.fromEntries(Array.from({ length: 1 + below(6) }, () => [pick([...names, ...odd]), value()]));
	}

	function proper(method: string): Options.Publish {
		return requestProperties(
			{
				path: `/${carrierName}/${method}`,
				call: crypto.randomUUID(),
				replyTo: places.own,
				caller: "hostile",
				requestId: crypto.randomUUID(),
				header: new Headers({
					"content-type": method === "Unary" ? "application/proto" : "application/connect+proto",
					"connect-protocol-version": "1",
				}),
				body: new Uint8Array(),
			},
			undefined,
		);
	}

	function request(): [body: Buffer, properties: Options.Publish] {
		const base = proper("Unary");
		const header = base.headers!.header;
		return pick<() => [Buffer, Options.Publish]>([
			() => [bytes(2000), {}],
			() => [bytes(2000), base],
			() => [bytes(200), { ...base, headers: { ...base.headers, header: { "content-type": word() } } }],
			() => [bytes(200), { ...base, replyTo: "" }],
			() => [bytes(200), { ...base, correlationId: word() }],
			() => [Buffer.alloc(0), { ...base, replyTo: pick([places.victim, places.requests, newMailbox("another"), "?"]) }],
			() => [Buffer.alloc(0), { ...base, replyTo: newMailbox(places.namespace) }],
			() => [
				Buffer.alloc(0),
				{ ...base, headers: { ...base.headers, header: { ...header, x: "y".repeat(hugeBytes) } } },
			],
			() => [
				Buffer.alloc(0),
				{
					...base,
					headers: {
						...base.headers,
						header: Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`x-${n}`, "y"])),
					},
				},
			],
			() => [Buffer.alloc(0), { ...base, headers: { ...base.headers, requestId: "r".repeat(hugeBytes) } }],
			() => [bytes(50), { ...base, headers: { ...base.headers, ...oddTable() } }],
			() => [bytes(50), { ...base, headers: { ...base.headers, header: oddTable() } }],
			() => [bytes(50), { ...base, headers: { ...base.headers, header: { ...header, [word()]: word() } } }],
			() => [Buffer.alloc(0), { ...base, headers: { ...base.headers, path: pick(["/", "//", "/x/y", word()]) } }],
			() => [
				Buffer.alloc(0),
				{ ...base, headers: { ...base.headers, deadline: pick(["1", "-1", "x", "9".repeat(15)]) } },
			],
			() => [bytes(50), { ...base, type: pick(["answer", "data", "", word()]) }],
			() => {
				const stream = proper(pick(["Echo", "Count", "Collect"]));
				streams.push(stream.correlationId!);
				if (streams.length > 100) streams.shift();
				return [Buffer.alloc(0), stream];
			},
		])();
	}

	function frame(): [body: Buffer, properties: Options.Publish] {
		const known = { correlationId: streams.length > 0 ? pick(streams) : "none", replyTo: places.own };
		const kind = pick(["answer", "accept", "head", "data", "end", "credit", "cancel"]);
		return pick<() => [Buffer, Options.Publish]>([
			() => [bytes(2000), {}],
			() => [bytes(200), { type: kind }],
			() => [bytes(200), { type: kind, correlationId: word(), replyTo: word(), headers: oddTable() }],
			() => [bytes(200), { type: word(), ...known, headers: { sequence: 0 } }],
			() => [bytes(200), { type: kind, ...known, headers: { sequence: below(3), status: 200, bytes: below(2 ** 31) } }],
			() => [bytes(4), { type: "data", ...known, headers: { sequence: 0 } }],
			() => [Buffer.from([0, 0, 0, 0, 200, 1]), { type: "data", ...known, headers: { sequence: 0 } }],
			() => [Buffer.from([0, 255, 255, 255, 255]), { type: "data", ...known, headers: { sequence: 0 } }],
			() => [Buffer.alloc(0), { type: "credit", ...known, headers: { bytes: pick([-1, 0, 1e15, 0.5]) } }],
			() => [bytes(100), { type: "answer", correlationId: crypto.randomUUID(), headers: { status: 200 } }],
			() => [
				bytes(100),
				{
					type: "answer",
					correlationId: "1",
					replyTo: places.mailboxes[0],
					headers: { status: 200, header: oddTable() },
				},
			],
			() => [bytes(100), { type: kind, ...known, headers: { status: 200, header: { x: "y".repeat(hugeBytes) } } }],
		])();
	}

	for (let n = 0; n < count; n++) {
		const to = pick(["requests", "requests", "server", "caller"]);
		const [body, { correlationId, replyTo, ...properties }] = to === "requests" ? request() : frame();
		const where = { requests: places.requests, server: places.mailboxes[0], caller: places.mailboxes[1] }[to]!;
		if (to === "requests") sent.requests++;
		else sent.mailboxes[to === "server" ? 0 : 1]++;
		const named = { ...(correlationId && { correlationId }), ...(replyTo && { replyTo }) };
		channel.publish("", where, body, { ...properties, ...named }, (error) => {
			failure ??= error ?? undefined;
			underWay--;
			wake();
		});
		underWay++;
		while (underWay >= underWayMax)
			await new Promise<void>((resolve) => {
				wake = resolve;
			});
		// The broker is to take all of them: what it refuses, no receiver will ever see.
		if (failure) throw failure;
	}
	await channel.waitForConfirms();
	return sent;
}
