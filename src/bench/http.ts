// Requests beside the load, to the relay and the processors: few, whole, and each with a time limit.
import { Pool } from "undici";

export interface Answer {
	readonly status: number;
	readonly text: string;
}

export interface Http {
	/** Rejects on a broken connection or after the time limit, never because of a status. */
	ask(method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: string): Promise<Answer>;
	/** As `ask`, and rejects unless the answer is 2XX. */
	demand(method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: string): Promise<string>;
	close(): Promise<void>;
}

const connectionsMax = 16;
const timeLimitMs = 30_000;

/** `url` may have a path, which comes before every other. `timed` is told how long each successful request took, and its path. */
export function createHttp(
	url: string,
	headers: Record<string, string>,
	timed: (ms: number, path: string) => void = () => {},
): Http {
	const { origin, pathname } = new URL(url);
	const prefix = pathname.replace(/\/$/, "");
	const pool = new Pool(origin, {
		connections: connectionsMax,
		pipelining: 1,
		headersTimeout: timeLimitMs,
		bodyTimeout: timeLimitMs,
	});

	async function ask(method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: string): Promise<Answer> {
		const startedMs = performance.now();
		const answer = await pool.request({
			method,
			path: prefix + path,
			headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
			...(body !== undefined && { body }),
		});
		const text = await answer.body.text();
		if (answer.statusCode < 300) timed(performance.now() - startedMs, path);
		return { status: answer.statusCode, text };
	}

	return {
		ask,
		async demand(method, path, body) {
			const { status, text } = await ask(method, path, body);
			if (status < 200 || status > 299) throw new Error(`${method} ${url}${path}: ${status} ${text.slice(0, 200)}`);
			return text;
		},
		close: () => pool.destroy(),
	};
}
