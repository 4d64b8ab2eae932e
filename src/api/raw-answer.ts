// An answer as the bytes of HTTP/1.1, for what is answered without node:http.
import { STATUS_CODES } from "node:http";
import { type Problem, problemBody, problemHeaders, problemStatus } from "./problem.ts";

let accepted = "";
let acceptedAt = 0;
let acceptedKeptS: number | undefined;

/** `keepAliveS`: for how long the connection is kept, s; without it the answer ends it. Its text is made once a second. */
export function rawAccepted(keepAliveS: number | undefined): string {
	today();
	if (acceptedAt !== second || acceptedKeptS !== keepAliveS) {
		accepted = rawAnswer(202, {}, "", keepAliveS);
		acceptedAt = second;
		acceptedKeptS = keepAliveS;
	}
	return accepted;
}

export function rawProblem(problem: Problem, keepAliveS?: number): string {
	return rawAnswer(problemStatus(problem.kind), problemHeaders(problem), problemBody(problem), keepAliveS);
}

function rawAnswer(
	status: number,
	headers: Readonly<Record<string, string>>,
	body: string,
	keepAliveS: number | undefined,
): string {
	let head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`;
	for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
	const connection = keepAliveS === undefined ? "close" : `keep-alive\r\nKeep-Alive: timeout=${keepAliveS}`;
	const length = body === "" ? 0 : Buffer.byteLength(body);
	return `${head}content-length: ${length}\r\nDate: ${today()}\r\nConnection: ${connection}\r\n\r\n${body}`;
}

let second = 0;
let date = "";

/** RFC 9110, 6.6.1: whoever has a clock says the date. Its text is made once a second. */
function today(): string {
	const now = Math.floor(Date.now() / 1000);
	if (now !== second) {
		second = now;
		date = new Date(now * 1000).toUTCString();
	}
	return date;
}
