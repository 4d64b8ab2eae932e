// POST /payments straight from its connection, for requests in their plain form.
//
// At some hundred requests a second, when each of them wakes the process up, node:http and what makes its requests and
// answers those of fetch cost half of what an api spends on a payment. So a connection is read here first. What is not
// plain goes to node:http, with the connection: from then on that one alone reads it, and says what is wrong with it.
import { isAscii } from "node:buffer";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { takeAheadOf } from "../rpc/ahead-of-server.ts";
import type { AcceptPayment } from "./payments-route.ts";
import { createKnownHeads, incomplete, other, readPlainPost } from "./plain-post.ts";
import type { Problem } from "./problem.ts";
import { rawAccepted, rawProblem } from "./raw-answer.ts";

export interface FastPathLimits {
	/** A request that came in pieces, or a connection that says nothing, is left to node:http and its limits after twice that, ms. */
	readonly timeoutCheckMs: number;
	/** How long a connection may be idle, ms. */
	readonly keepAliveMs: number;
	/** How long an answer may wait for its client to read, ms. */
	readonly unreadMaxMs: number;
	readonly headerMaxBytes: number;
}

export interface FastPath {
	/** From now on answers end their connections; those that are between two requests are closed. */
	closeIdle(): void;
	closeAll(): void;
}

interface Connection {
	readonly socket: Socket;
	/** Writes the answer to the request that is being answered. */
	readonly answer: (problem: Problem | undefined) => void;
	/** All of them, to be taken off again. */
	readonly listeners: readonly (readonly [event: string, listener: (chunk: Buffer) => void])[];
	/** What has come of a request, and in how many pieces. */
	begun: string;
	pieces: number;
	/** A request is being answered. */
	busy: boolean;
	/** What came behind a request that was not answered yet; the connection is paused, and keeps what follows. */
	behind: Buffer | undefined;
	/** The client sends no more. */
	ended: boolean;
	/** Had a request already: it may be idle for as long as `keepAliveMs`. */
	used: boolean;
	/** Since a request began or an answer was read, as far as nothing was being answered. */
	quietMs: number;
}

/** In more of them a request is left to node:http: each one is read from the start. */
const piecesMax = 8;

/** Takes the server's connections before it does. To be called before it listens. */
export function putFastPathBefore(server: Server, acceptPayment: AcceptPayment, limits: FastPathLimits): FastPath {
	const connections = new Set<Connection>();
	const heads = createKnownHeads();
	const keepAliveS = Math.floor(limits.keepAliveMs / 1000);
	const toServer = takeAheadOf(server, take);
	let closing = false;
	const look = setInterval(lookAround, limits.timeoutCheckMs).unref();
	server.once("close", () => clearInterval(look));

	function take(socket: Socket): void {
		const connection: Connection = {
			socket,
			answer: (problem) => answer(connection, problem),
			listeners: [
				["data", (chunk) => read(connection, chunk)],
				["end", () => end(connection)],
				["error", () => socket.destroy()],
				["close", () => connections.delete(connection)],
			],
			begun: "",
			pieces: 0,
			busy: false,
			behind: undefined,
			ended: false,
			used: false,
			quietMs: 0,
		};
		connections.add(connection);
		for (const [event, listener] of connection.listeners) socket.on(event, listener);
	}

	function read(connection: Connection, chunk: Buffer): void {
		if (connection.begun === "") connection.quietMs = 0;
		if (connection.busy) {
			connection.socket.pause();
			connection.behind = chunk;
			return;
		}
		const text = connection.begun + chunk.toString("latin1");
		const post = isAscii(chunk) ? (heads.bodyOf(text) ?? readPlainPost(text, limits.headerMaxBytes, heads)) : other;
		if (post === other || (post === incomplete && ++connection.pieces >= piecesMax)) handOver(connection, text);
		else if (post === incomplete) connection.begun = text;
		else {
			connection.begun = "";
			connection.pieces = 0;
			connection.busy = true;
			connection.used = true;
			acceptPayment(post, connection.answer);
		}
	}

	function answer(connection: Connection, problem: Problem | undefined): void {
		const { socket } = connection;
		if (socket.destroyed) return;
		const keptS = connection.ended || closing ? undefined : keepAliveS;
		const all = socket.write(problem ? rawProblem(problem, keptS) : rawAccepted(keptS));
		if (keptS === undefined) socket.destroySoon();
		else if (all) goOn(connection);
		// Whoever does not read its answers gets no more of them.
		else socket.once("drain", () => goOn(connection));
	}

	function goOn(connection: Connection): void {
		connection.busy = false;
		connection.quietMs = 0;
		const { behind, ended, socket } = connection;
		if (ended) socket.end();
		// Several under way on one connection, and the order of their answers, are node:http's.
		else if (behind) handOver(connection, behind);
	}

	function end(connection: Connection): void {
		connection.ended = true;
		if (connection.busy) return;
		if (connection.begun === "") connection.socket.end();
		else server.emit("clientError", new Error("the connection ended within a request"), connection.socket);
	}

	function handOver(connection: Connection, bytes: string | Buffer): void {
		const { socket, listeners } = connection;
		connections.delete(connection);
		for (const [event, listener] of listeners) socket.off(event, listener);
		toServer(socket, bytes);
		socket.resume();
	}

	function lookAround(): void {
		for (const connection of connections) {
			const isUnread = connection.socket.writableLength > 0;
			if (!isUnread && (connection.busy || connection.ended)) continue;
			connection.quietMs += limits.timeoutCheckMs;
			const { quietMs } = connection;
			if (isUnread) {
				if (quietMs > limits.unreadMaxMs) connection.socket.destroy();
			} else if (quietMs > (isIdle(connection) ? limits.keepAliveMs : limits.timeoutCheckMs)) leave(connection);
		}
	}

	/** Only between two requests is it sure that none is on its way. */
	function leave(connection: Connection): void {
		if (isIdle(connection)) connection.socket.destroy();
		else handOver(connection, connection.begun);
	}

	return {
		closeIdle() {
			closing = true;
			for (const connection of connections) if (!connection.busy && !connection.ended) leave(connection);
		},
		closeAll() {
			for (const { socket } of connections) socket.destroy();
		},
	};
}

function isIdle({ used, begun }: Connection): boolean {
	return used && begun === "";
}
