// Calls of idempotent methods are made again when the broker is lost under them. No other call is: it may have been carried out.
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { ConnectError, type Interceptor } from "@connectrpc/connect";
import { headerTimeout } from "@connectrpc/connect/protocol-connect";
import type { Clock } from "../../clock.ts";
import type { AmqpRpcCounters } from "./counters.ts";
import { BrokerLost } from "./lost.ts";

/** Names what a call asks for, the same in each attempt, so that it has one effect. */
export const requestIdHeader = "idempotency-key";

/** `ready` resolves when the broker is there again. */
export function retryIdempotent(
	attemptsMax: number,
	ready: (signal: AbortSignal) => Promise<void>,
	clock: Clock,
	counters: AmqpRpcCounters,
): Interceptor {
	return (next) => async (request) => {
		if (request.stream) return next(request);
		if (!request.header.has(requestIdHeader)) request.header.set(requestIdHeader, crypto.randomUUID());
		const repeatable = request.method.idempotency !== Idempotency.IDEMPOTENCY_UNKNOWN;
		const timeoutMs = Number(request.header.get(headerTimeout) ?? Number.NaN);
		const startedMs = clock.monotonic();
		for (let attempt = 1; ; attempt++) {
			try {
				return await next(request);
			} catch (error) {
				const lost = error instanceof ConnectError && error.cause instanceof BrokerLost;
				if (!lost || !repeatable || attempt >= attemptsMax || request.signal.aborted) throw error;
				await ready(request.signal);
				counters.retried++;
				const leftMs = timeoutMs - (clock.monotonic() - startedMs);
				if (!Number.isNaN(leftMs)) request.header.set(headerTimeout, String(Math.max(1, Math.ceil(leftMs))));
			}
		}
	};
}
