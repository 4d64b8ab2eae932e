// The table of bad input as data, and the raw exchange that sends it: runs against the API alone and against a whole relay.
import { connect } from "node:net";
import { onDeno } from "../../src/runtime.ts";

/** What one connection sends, and what must come back on it. */
export interface BadInput {
	readonly name: string;
	/** The bytes; `id` is a UUID that the relay has not seen. */
	readonly send: (id: string) => string | Uint8Array;
	/** The statuses of the answers, in order; after them, or instead of more, the server may close. */
	readonly statuses: readonly number[];
	/** How the `type` of the last answer's problem document ends. */
	readonly problem?: string;
	/** JSON Pointers or parameters that the document names as offending, in order. */
	readonly fields?: readonly string[];
}

export interface Answer {
	readonly status: number;
	readonly headers: ReadonlyMap<string, string>;
	readonly body: string;
}

export function request(line: string, headers: readonly string[] = [], body = ""): string {
	return [`${line} HTTP/1.1`, "Host: relay", ...headers, "", body].join("\r\n");
}

export function post(body: string, type = "Content-Type: application/json"): string {
	return request("POST /payments", [type, `Content-Length: ${Buffer.byteLength(body)}`], body);
}

const payment = (id: string, amount: string): string => `{"correlationId":"${id}","amount":${amount}}`;
const get = (path: string): string => request(`GET ${path}`);
const chunked = (chunks: string): string =>
	request("POST /payments", ["Content-Type: application/json", "Transfer-Encoding: chunked"], chunks);
/** The headers of a body that is sent once it is asked for. */
const expecting = (length: number): string[] => [
	"Content-Type: application/json",
	`Content-Length: ${length}`,
	"Expect: 100-continue",
];
const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

function bodies(): BadInput[] {
	const malformed = (name: string, body: string): BadInput => ({
		name,
		send: () => post(body),
		statuses: [400],
		problem: "malformed-body",
	});
	return [
		malformed("not JSON", "correlationId=1"),
		malformed("half a JSON object", '{"correlationId":"'),
		malformed("two JSON objects", "{}{}"),
		malformed("empty", ""),
		malformed("only white space", " \r\n\t "),
		malformed("an array", "[]"),
		malformed("null", "null"),
		malformed("a number", "1"),
		malformed("deeply nested arrays without end", "[".repeat(1000)),
		malformed("deeply nested arrays", "[".repeat(500) + "]".repeat(500)),
		malformed("NaN as amount", '{"correlationId":"0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e","amount":NaN}'),
		malformed("amount with leading zeros", '{"correlationId":"0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e","amount":019}'),
		malformed("amount with a bare point", '{"correlationId":"0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e","amount":1.}'),
		malformed("a control character in a string", '{"correlationId":"\u0000"}'),
		{
			name: "invalid UTF-8",
			send: () =>
				Buffer.concat([Buffer.from(post('{"x":".."}').slice(0, -4)), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]),
			statuses: [400],
			problem: "malformed-body",
		},
		{
			name: "1 MiB body",
			send: () => post(`{"x":"${"x".repeat(1024 * 1024 - 8)}"}`),
			statuses: [413],
			problem: "body-too-large",
		},
		{
			name: "a declared length beyond every integer",
			send: () => request("POST /payments", ["Content-Type: application/json", "Content-Length: 9007199254740993"]),
			statuses: [413],
			problem: "body-too-large",
		},
		{
			name: "1 MiB body in chunks",
			send: () => chunked(chunk("x".repeat(64 * 1024)).repeat(16) + chunk("")),
			statuses: [413],
			problem: "body-too-large",
		},
		{
			name: "a payment in chunks",
			send: (id) => chunked(chunk(payment(id, "1").slice(0, 9)) + chunk(payment(id, "1").slice(9)) + chunk("")),
			statuses: [202],
		},
		{
			name: "a chunk that lies about its length",
			send: () => chunked("2\r\nabcdef\r\n0\r\n\r\n"),
			statuses: [400],
			problem: "malformed-request",
		},
		{
			name: "a chunk length that is no number",
			send: () => chunked("xyz\r\nabc\r\n0\r\n\r\n"),
			statuses: [400],
			problem: "malformed-request",
		},
		{
			name: "endless chunk extensions",
			send: () => chunked(`2;${"x".repeat(40_000)}\r\n{}\r\n0\r\n\r\n`),
			// Deno does not bound them; what it reads of the body is judged all the same.
			...(onDeno
				? { statuses: [400], problem: "invalid-payment", fields: ["#/correlationId", "#/amount"] }
				: { statuses: [413], problem: "body-too-large" }),
		},
		{ name: "a byte order mark", send: (id) => post(`\ufeff${payment(id, "1")}`), statuses: [202] },
	];
}

function types(): BadInput[] {
	const refused = (name: string, header: string): BadInput => ({
		name,
		send: (id) => post(payment(id, "1"), header),
		statuses: [415],
		problem: "unsupported-media-type",
	});
	return [
		refused("wrong content type", "Content-Type: text/plain"),
		refused("a form's content type", "Content-Type: application/x-www-form-urlencoded"),
		refused("a content type that only begins right", "Content-Type: application/jsonp"),
		refused("no content type", "X-None: 1"),
		refused("an empty content type", "Content-Type:"),
		refused("a coded body", "Content-Type: application/json\r\nContent-Encoding: gzip"),
		{
			name: "content type with parameters, in capitals",
			send: (id) => post(payment(id, "1"), "Content-Type: Application/JSON ; charset=UTF-8"),
			statuses: [202],
		},
	];
}

function members(): BadInput[] {
	const invalid = (name: string, body: (id: string) => string, ...fields: string[]): BadInput => ({
		name,
		send: (id) => post(body(id)),
		statuses: [400],
		problem: "invalid-payment",
		fields,
	});
	const badAmount = (name: string, amount: string): BadInput => invalid(name, (id) => payment(id, amount), "#/amount");
	const badId = (name: string, id: string): BadInput =>
		invalid(name, () => `{"correlationId":${id},"amount":1}`, "#/correlationId");
	const good = (name: string, body: (id: string) => string): BadInput => ({
		name,
		send: (id) => post(body(id)),
		statuses: [202],
	});
	return [
		invalid("no member at all", () => "{}", "#/correlationId", "#/amount"),
		invalid("missing amount", (id) => `{"correlationId":"${id}"}`, "#/amount"),
		invalid("missing id", () => '{"amount":1}', "#/correlationId"),
		invalid("names in other case", (id) => `{"CorrelationId":"${id}","Amount":1}`, "#/correlationId", "#/amount"),
		invalid("amount only inside another object", (id) => `{"correlationId":"${id}","x":{"amount":1}}`, "#/amount"),
		invalid("members only in __proto__", (id) => `{"__proto__":${payment(id, "1")}}`, "#/correlationId", "#/amount"),
		badId("id not a UUID", '"1234"'),
		badId("id without dashes", '"0b5a5a1e8d3e4a529c1e0c3f1b2a4d5e"'),
		badId("id in braces", '"{0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e}"'),
		badId("id with a line feed behind it", '"0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e\\n"'),
		badId("id with letters beyond f", '"0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5g"'),
		badId("id with full-width digits", '"０b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e"'),
		badId("a lone surrogate in the id", '"0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d\\ud800e"'),
		badId("id a number", "1"),
		badId("id null", "null"),
		badId("id an array", '["0b5a5a1e-8d3e-4a52-9c1e-0c3f1b2a4d5e"]'),
		badAmount("amount as string", '"19.90"'),
		badAmount("amount null", "null"),
		badAmount("amount true", "true"),
		badAmount("amount an object", '{"amount":1}'),
		badAmount("amount an array", "[1]"),
		badAmount("negative amount", "-1"),
		badAmount("amount zero", "0"),
		badAmount("amount minus zero", "-0"),
		badAmount("amount 0.00", "0.00"),
		badAmount("amount 1e400", "1e400"),
		badAmount("amount 1e-400", "1e-400"),
		badAmount("amount with an exponent beyond every library", "1e99999999999999999999"),
		badAmount("three decimals", "19.901"),
		badAmount("a decimal that no double can tell from 19.9", "19.9000000000000000000001"),
		badAmount("half a cent", "0.005"),
		badAmount("a cent beyond the range", "1000000000.00"),
		badAmount("far beyond the range", "99999999999999999999"),
		badAmount("a hundred digits", "9".repeat(100)),
		invalid("amount twice, the last one bad", (id) => `{"correlationId":"${id}","amount":1,"amount":"1"}`, "#/amount"),
		good("amount 19.900", (id) => payment(id, "19.900")),
		good("amount 1.99e1", (id) => payment(id, "1.99e1")),
		good("the least amount", (id) => payment(id, "0.01")),
		good("the largest amount", (id) => payment(id, "999999999.99")),
		good("unknown members", (id) => `{"x":{"amount":"?"},"correlationId":"${id}","amount":1,"y":[{"amount":-1}]}`),
		good("a lone surrogate in an unknown member", (id) => `{"correlationId":"${id}","amount":1,"x":"\\udead"}`),
		good("__proto__ beside good members", (id) => `{"__proto__":{"amount":"x"},"correlationId":"${id}","amount":1}`),
		good(
			"deep nesting in an unknown member",
			(id) => `{"correlationId":"${id}","amount":1,"x":${"[".repeat(400)}${"]".repeat(400)}}`,
		),
		good("names written with escapes", (id) => `{"\\u0063orrelationId":"${id}","\\u0061mount":1}`),
		good("amount twice, the last one counts", (id) => `{"correlationId":"${id}","amount":"x","amount":1}`),
	];
}

function repeats(): BadInput[] {
	return [
		{
			name: "duplicate id, same body",
			send: (id) => post(payment(id, "19.90")) + post(payment(id, "19.90")),
			statuses: [202, 202],
		},
		{
			name: "duplicate id, the same amount written otherwise",
			send: (id) => post(payment(id, "19.90")) + post(payment(id, "1.99E+1")),
			statuses: [202, 202],
		},
		{
			name: "the same id in upper case",
			send: (id) => post(payment(id, "19.90")) + post(payment(id.toUpperCase(), "19.90")),
			statuses: [202, 202],
		},
		{
			name: "duplicate id, other body",
			send: (id) => post(payment(id, "19.90")) + post(payment(id, "19.91")),
			statuses: [202, 409],
			problem: "payment-conflict",
			fields: ["#/amount"],
		},
		{
			name: "the same id in upper case, other body",
			send: (id) => post(payment(id, "19.90")) + post(payment(id.toUpperCase(), "0.01")),
			statuses: [202, 409],
			problem: "payment-conflict",
			fields: ["#/amount"],
		},
	];
}

function queries(): BadInput[] {
	const bad = (name: string, query: string, ...fields: string[]): BadInput => ({
		name,
		send: () => get(`/payments-summary?${query}`),
		statuses: [400],
		problem: "invalid-query",
		fields,
	});
	return [
		bad("bad dates", "from=yesterday&to=tomorrow", "from", "to"),
		bad("a date without a time", "from=2026-01-01", "from"),
		bad("a day that no month has", "to=2026-02-30T00:00:00Z", "to"),
		bad("hour 25", "to=2026-01-01T25:00:00Z", "to"),
		bad("seconds since the epoch", "from=1767225600", "from"),
		bad("a moment before 1970", "from=1969-12-31T23:59:59Z", "from"),
		bad("a plus sign that became a space", "from=2026-01-01T00:00:00+01:00", "from"),
		bad("a zone of a hundred hours", "from=2026-01-01T00:00:00%2B99:00", "from"),
		bad("from twice", "from=2026-01-01T00:00:00Z&from=2026-01-01T00:00:00Z", "from"),
		bad("from after to", "from=2026-01-01T00:00:00.000001Z&to=2026-01-01T00:00:00Z", "from"),
		bad("a broken percent escape", "from=%zz", "from"),
		{
			name: "an id in the path that is not a UUID",
			send: () => get("/payments/42"),
			statuses: [400],
			problem: "invalid-id",
		},
		{
			name: "a payment that nobody posted",
			send: (id) => get(`/payments/${id}`),
			statuses: [404],
			problem: "unknown-payment",
		},
		{
			name: "a page size that is no number",
			send: () => get("/parked?pageSize=all"),
			statuses: [400],
			problem: "invalid-query",
			fields: ["pageSize"],
		},
		{
			name: "a resolution that says nothing",
			send: (id) =>
				request(`POST /payments/${id}/resolution`, ["Content-Type: application/json", "Content-Length: 2"], "{}"),
			statuses: [400],
			problem: "invalid-resolution",
			fields: ["#/decision", "#/who", "#/why"],
		},
	];
}

function requests(): BadInput[] {
	const notFound = (name: string, line: string): BadInput => ({
		name,
		send: () => request(line),
		statuses: [404],
		problem: "not-found",
	});
	const notAllowed = (name: string, line: string): BadInput => ({
		name,
		send: () => request(line, ["Content-Length: 0"]),
		statuses: [405],
		problem: "method-not-allowed",
	});
	const malformed = (name: string, bytes: string): BadInput => ({
		name,
		send: () => bytes,
		statuses: [400],
		problem: "malformed-request",
	});
	return [
		notFound("unknown path", "GET /nothing"),
		notFound("the root", "GET /"),
		notFound("a path with a slash too many", "POST /payments/"),
		notFound("a path out of the root", "GET /../../etc/passwd"),
		notFound("a path of broken escapes", "GET /%zz%00"),
		notAllowed("GET of what takes POST", "GET /payments"),
		notAllowed("PUT of a payment", "PUT /payments"),
		notAllowed("DELETE of the summary", "DELETE /payments-summary"),
		notAllowed("GET of the purge", "GET /purge-payments"),
		notAllowed("OPTIONS", "OPTIONS /payments"),
		malformed("an unknown method", request("STEAL /payments")),
		malformed("garbage", "\x16\x03\x01\x02\x00\r\n\r\n"),
		malformed("a header without a colon", request("GET /healthz", ["nonsense"])),
		malformed("a line feed in a header", request("GET /healthz", ["a: b\nc"])),
		malformed("two lengths", request("POST /payments", ["Content-Length: 1", "Content-Length: 2"], "xx")),
		malformed("a negative length", request("POST /payments", ["Content-Length: -1"])),
		malformed(
			"length and chunks together",
			request("POST /payments", ["Content-Length: 5", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
		),
		malformed("no host", "GET /healthz HTTP/1.1\r\n\r\n"),
		malformed("a host that is none", "GET /healthz HTTP/1.1\r\nHost: a b/c\r\n\r\n"),
		malformed("two hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
		notAllowed("a tunnel", "CONNECT relay:1"),
		malformed("another protocol", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		{
			name: "oversized header",
			send: () => request("GET /healthz", [`X: ${"x".repeat(64 * 1024)}`]),
			statuses: [431],
			problem: "headers-too-large",
		},
		{
			name: "oversized request line",
			send: () => request(`GET /${"x".repeat(64 * 1024)}`),
			statuses: [431],
			problem: "headers-too-large",
		},
		{
			name: "slow header",
			send: () => "POST /payments HTTP/1.1\r\nHost: re",
			statuses: [408],
			problem: "request-timeout",
		},
		{
			name: "slow body",
			send: () => request("POST /payments", ["Content-Type: application/json", "Content-Length: 99"], "{"),
			statuses: [408],
			problem: "request-timeout",
		},
		{ name: "slow chunks", send: () => chunked(chunk("{")), statuses: [408], problem: "request-timeout" },
		{
			name: "a good request with garbage behind it",
			send: (id) => `${post(payment(id, "1"))}\x00garbage\r\n\r\n`,
			statuses: [202],
		},
		{
			name: "a good request with a broken one behind it",
			send: (id) => post(payment(id, "1")) + chunked("xyz\r\n"),
			statuses: [202],
		},
		{
			name: "a good request with a tunnel behind it",
			send: (id) => post(payment(id, "1")) + request("CONNECT relay:1"),
			statuses: [202],
		},
		{
			name: "HTTP/1.0",
			send: (id) => {
				const body = payment(id, "1");
				return `POST /payments HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
			},
			statuses: [202],
		},
		{
			name: "Expect: 100-continue",
			send: (id) => {
				const body = payment(id, "1");
				return request("POST /payments", expecting(body.length), body);
			},
			statuses: [100, 202],
		},
		{
			name: "Expect: 100-continue before a payment that is too large",
			send: () => request("POST /payments", expecting(1025)),
			statuses: [413],
			problem: "body-too-large",
		},
		{
			name: "Expect: 100-continue before a payment that is too large, with a query",
			send: () => request("POST /payments?a=b", expecting(1025)),
			statuses: [413],
			problem: "body-too-large",
		},
		{
			name: "Expect: 100-continue before a resolution that is too large",
			send: (id) => request(`POST /payments/${id}/resolution`, expecting(16_385)),
			statuses: [413],
			problem: "body-too-large",
		},
		{
			name: "a transfer coding beside that of chunks",
			send: (id) =>
				request(
					"POST /payments",
					["Content-Type: application/json", "Transfer-Encoding: gzip, chunked"],
					`${chunk(payment(id, "1"))}0\r\n\r\n`,
				),
			statuses: [501],
			problem: "coding-unknown",
		},
		{
			name: "an expectation that nobody knows",
			send: () => request("GET /healthz", ["Expect: miracles"]),
			statuses: [417],
			problem: "expectation-failed",
		},
	];
}

export const badInputs: readonly BadInput[] = [
	...bodies(),
	...types(),
	...members(),
	...repeats(),
	...queries(),
	...requests(),
];

/**
 * Sends the bytes on a connection of their own; resolves with the answers once `expected` of them came, or once the
 * server closed. `address` is `http://host:port` or `unix:path`.
 */
export function exchange(address: string, bytes: string | Uint8Array, expected: number): Promise<readonly Answer[]> {
	return new Promise((resolve, reject) => {
		const url = address.startsWith("unix:") ? undefined : new URL(address);
		const socket = url ? connect(Number(url.port), url.hostname) : connect(address.slice(5));
		let received = "";
		const finish = (): void => {
			socket.destroy();
			resolve(parseAnswers(received));
		};
		socket.setEncoding("utf8");
		socket.on("connect", () => socket.write(bytes));
		socket.on("data", (text) => {
			received += text;
			if (parseAnswers(received).length >= expected) finish();
		});
		socket.on("end", finish);
		socket.on("error", (error) => (received === "" ? reject(error) : finish()));
	});
}

/** Every answer that is there in whole; the relay's bodies always come with their length. */
function parseAnswers(text: string): Answer[] {
	const answers: Answer[] = [];
	let rest = text;
	for (;;) {
		const end = rest.indexOf("\r\n\r\n");
		if (end < 0) return answers;
		const [line = "", ...lines] = rest.slice(0, end).split("\r\n");
		const headers = new Map(
			lines.map((header) => {
				const colon = header.indexOf(":");
				return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()];
			}),
		);
		const length = Number(headers.get("content-length") ?? 0);
		const body = rest.slice(end + 4, end + 4 + length);
		if (body.length < length) return answers;
		answers.push({ status: Number(line.split(" ")[1]), headers, body });
		rest = rest.slice(end + 4 + length);
	}
}
