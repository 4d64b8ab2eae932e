// A way for one service to call another: how the identity service is served, and how a token is given to it to verify.
import type { Identity } from "./token.ts";

export interface Way {
	readonly title: string;
	/** Calls go over a broker, and `serve` is given its URL. */
	readonly overBroker: boolean;
	/** Resolves once it can be called. `at`: the broker's URL, or a TCP address whose port may be 0. */
	serve(verify: Verify, at: string): Promise<Served>;
	connect(address: string): Promise<Caller>;
}

/** Throws an InvalidToken. */
export type Verify = (token: string) => Identity;

export interface Served {
	/** For `connect`. */
	readonly address: string;
	/** After the last call: nothing is waited for. */
	close(): Promise<void>;
}

export interface Caller {
	/** Rejects with an InvalidToken. */
	verifyToken(token: string): Promise<Identity>;
	close(): Promise<void>;
}
