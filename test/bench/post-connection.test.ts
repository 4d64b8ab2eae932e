import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { openPostConnection } from "../../src/bench/post-connection.ts";

/** Answers each request as it is told to; `seen` has the requests, and on which connection each came. */
async function setup(respond: (socket: Socket, n: number) => unknown) {
	const sockets: Socket[] = [];
	const seen: { readonly text: string; readonly connection: number }[] = [];
	const server = createServer({ noDelay: true }, (socket) => {
		const connection = sockets.push(socket);
		let text = "";
		socket.on("error", () => {
			// A connection that was cut on purpose.
		});
		socket.on("data", (bytes) => {
			text += bytes.toString("latin1");
			const [head, body] = text.split("\r\n\r\n");
			if (body === undefined || body.length < Number(/content-length: (\d+)/.exec(head!)![1])) return;
			seen.push({ text, connection });
			text = "";
			void respond(socket, seen.length);
		});
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	onTestFinished(() => {
		for (const socket of sockets) socket.destroy();
		server.close();
	});
	const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/some/payments`);
	let told: (what: string) => void;
	const connection = openPostConnection(url, {
		answered: (status) => told(String(status)),
		broken: (why) => told(why),
	});
	onTestFinished(() => connection.cut("the test has ended"));
	const post = (body = "{}") =>
		new Promise<string>((resolve) => {
			told = resolve;
			connection.send(body);
		});
	return { url, seen, post, connection };
}

const answer = (status: number, more = "content-length: 0\r\n", body = "") =>
	`HTTP/1.1 ${status} Some Words\r\nDate: now\r\n${more}\r\n${body}`;

test("requests go over one connection, whole", async () => {
	const { url, seen, post } = await setup((socket) => socket.write(answer(202)));
	expect([await post('{"a":1}'), await post('{"ü":1}')]).toEqual(["202", "202"]);
	expect(seen.map(({ connection }) => connection)).toEqual([1, 1]);
	expect(seen[0]!.text).toBe(
		`POST /some/payments HTTP/1.1\r\nhost: ${url.host}\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}`,
	);
	expect(seen[1]!.text).toContain("content-length: 8\r\n");
});

const answers = [
	answer(202),
	answer(503, "Content-Length:  5\r\n", "sorry"),
	answer(
		429,
		"Transfer-Encoding: chunked\r\n",
		"5\r\nabcde\r\n1e;x=y\r\n0\r\n\r\n0123456789012345678901234\r\n0\r\n\r\n",
	),
	answer(200, "transfer-encoding: chunked\r\n", "1\r\na\r\n0\r\nTrailer: 1\r\n\r\n"),
	answer(204, ""),
	`${answer(100, "")}${answer(103, "Link: x\r\n")}${answer(201)}`,
];
const statuses = ["202", "503", "429", "200", "204", "201"];

test("however an answer is cut into pieces, it is read once, and whole", async () => {
	let pieces: string[] = [];
	const { post, seen } = await setup(async (socket) => {
		for (const piece of pieces) {
			socket.write(piece, "latin1");
			await turn();
		}
	});
	const kind = fc.nat(answers.length - 1);
	const cuts = fc.array(fc.nat(140), { maxLength: 5 });
	await fc.assert(
		fc.asyncProperty(kind, cuts, async (n, at) => {
			const text = answers[n]!;
			const edges = [0, ...at.filter((edge) => edge < text.length).sort((a, b) => a - b), text.length];
			pieces = edges.slice(1).map((edge, i) => text.slice(edges[i], edge));
			expect(await post()).toBe(statuses[n]);
		}),
		{ numRuns: 100 },
	);
	expect(new Set(seen.map(({ connection }) => connection)).size).toBe(1);
});

test.each([
	["the server says so", answer(202, "connection: close\r\ncontent-length: 0\r\n"), "202"],
	["it keeps none", answer(202, "keep-alive: timeout=1\r\ncontent-length: 0\r\n"), "202"],
	["it speaks HTTP/1.0", answer(202).replace("1.1", "1.0"), "202"],
	["there is more than one answer", answer(202) + answer(503), "202"],
])("after an answer the next request takes a new connection where %s", async (_, text, status) => {
	const { post, seen } = await setup((socket) => socket.write(text));
	expect([await post(), await post()]).toEqual([status, status]);
	expect(seen.map(({ connection }) => connection)).toEqual([1, 2]);
});

test.each([
	["408 Too Slow\r\nconnection: close\r\n\r\n", "408"],
	["HTTP/1.1 200 O", "half"],
])("what comes while nothing was asked for is no answer to the next request: %s", async (text) => {
	const dropped = Promise.withResolvers<void>();
	const { post, seen } = await setup((socket, n) => {
		socket.write(answer(202));
		if (n > 1) return;
		socket.once("close", () => dropped.resolve());
		setTimeout(() => socket.write(`HTTP/1.1 ${text}`), 10);
	});
	expect(await post()).toBe("202");
	await dropped.promise;
	expect(await post()).toBe("202");
	expect(seen.map(({ connection }) => connection)).toEqual([1, 2]);
});

test.each([
	"FOO BAR BAZ 200\r\ncontent-length: 0\r\n\r\n",
	"HTTP/2 202\r\ncontent-length: 0\r\n\r\n",
	answer(202, "transfer-encoding: chunked\r\n", "zz\r\n\r\n"),
])("what is not HTTP/1.1 is no answer: %j", async (text) => {
	const { post } = await setup((socket) => socket.write(text));
	expect(await post()).toBe("malformed");
});

test("an answer without a length whose connection is reset is none", async () => {
	const { post } = await setup((socket) =>
		socket.write(answer(202, ""), () => setTimeout(() => socket.resetAndDestroy(), 10)),
	);
	expect(await post()).toBe("ECONNRESET");
});

test("the load goes over plain HTTP", () => {
	const ends = { answered: () => {}, broken: () => {} };
	expect(() => openPostConnection(new URL("https://localhost/payments"), ends)).toThrow("plain HTTP");
});

test("an answer without a length ends with its connection", async () => {
	const { post, seen } = await setup((socket) => socket.end(answer(500, "", "no more words")));
	expect([await post(), await post()]).toEqual(["500", "500"]);
	expect(seen.map(({ connection }) => connection)).toEqual([1, 2]);
});

test("a connection that breaks ends its request alone, before and within an answer", async () => {
	const { post } = await setup((socket, n) => {
		if (n === 1) socket.destroy();
		else if (n === 2) socket.end("HTTP/1.1 202 Acc");
		else if (n === 3) socket.end(answer(202, "content-length: 9\r\n", "short"));
		else if (n === 4) socket.write("x".repeat(70_000));
		else socket.write(answer(202));
	});
	expect(await post()).toBe("closed");
	expect(await post()).toBe("closed");
	expect(await post()).toBe("closed");
	expect(await post()).toBe("head");
	expect(await post()).toBe("202");
});

test("where nobody listens the request is refused", async () => {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
	server.close();
	await once(server, "close");
	const told = Promise.withResolvers<string>();
	const connection = openPostConnection(url, { answered: () => {}, broken: told.resolve });
	connection.send("{}");
	expect(await told.promise).toBe("ECONNREFUSED");
});

test("a request that is cut is told so, what comes for it later is nobody's, and the next one has a new connection", async () => {
	const held: Socket[] = [];
	const { post, seen, connection } = await setup((socket, n) =>
		n === 1 ? held.push(socket) : socket.write(answer(202)),
	);
	const first = post();
	await expect.poll(() => held.length).toBe(1);
	connection.cut("time-out");
	expect(await first).toBe("time-out");
	held[0]!.write(answer(500));
	expect(await post()).toBe("202");
	expect(seen.map(({ connection }) => connection)).toEqual([1, 2]);
});
