// Stands in for jslib's httpx: a client with an address, headers and a time-out of its own.
import http from "k6/http";

export class Httpx {
	constructor({ baseURL, headers = {}, timeout }) {
		this.baseURL = baseURL;
		this.headers = headers;
		this.timeout = timeout;
	}

	ask(method, path, body, { headers = {}, ...params } = {}) {
		const all = { timeout: this.timeout, ...params, headers: { ...this.headers, ...headers } };
		return http.asyncRequest(method, `${this.baseURL}${path}`, body ?? null, all);
	}

	asyncGet(path, body, params) {
		return this.ask("GET", path, body, params);
	}

	asyncPost(path, body, params) {
		return this.ask("POST", path, body, params);
	}

	asyncPut(path, body, params) {
		return this.ask("PUT", path, body, params);
	}
}
