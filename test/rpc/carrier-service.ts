// A service whose callers say how it is to behave, and what it noticed of them.
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { RetryAfterSchema } from "../../src/gen/payrelay/v1/payment_pb.ts";
import type { Routes } from "../../src/rpc/carrier.ts";
import { CarrierService } from "./gen/carrier/v1/carrier_pb.ts";

export interface CarrierLab {
	readonly routes: Routes;
	/** Resolves once a call of this method waits to be ended. */
	began(method: string): Promise<unknown>;
	/** Resolves, once a call of this method has noticed that it is over, to why. */
	ended(method: string): Promise<unknown>;
}

export function createCarrierLab(): CarrierLab {
	const moments = new Map<string, PromiseWithResolvers<unknown>>();
	const moment = (name: string) => {
		const known = moments.get(name) ?? Promise.withResolvers<unknown>();
		moments.set(name, known);
		return known;
	};
	const beginning = (method: string) => moment(`${method} began`);
	const ending = (method: string) => moment(`${method} ended`);

	async function end(how: string, context: HandlerContext): Promise<void> {
		if (how === "refused") {
			throw new ConnectError("come again", Code.ResourceExhausted, { "x-why": "full" }, [
				{ desc: RetryAfterSchema, value: create(RetryAfterSchema, { retryMs: 1500 }) },
			]);
		}
		if (how === "broken") throw new TypeError("the secret is 42");
		if (how !== "hang") return;
		const { signal } = context;
		beginning(context.method.name).resolve(undefined);
		if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
		ending(context.method.name).resolve(signal.reason);
		throw signal.reason;
	}

	const service: ServiceImpl<typeof CarrierService> = {
		async again({ text, how, body }, context) {
			await end(how, context);
			return { text, body };
		},
		async unary({ text, how, body }, context) {
			const asked = context.requestHeader.get("x-asked");
			if (asked) {
				context.responseHeader.set("x-answered", asked);
				context.responseTrailer.set("x-after", `${asked} after`);
			}
			await end(how, context);
			return { text, body };
		},
		async collect(requests) {
			let sum = 0n;
			let count = 0;
			for await (const { number } of requests) {
				sum += number;
				count++;
			}
			return { sum, count };
		},
		async *count({ to, how }, context) {
			context.responseHeader.set("x-answered", String(to));
			try {
				for (let number = 1; number <= to; number++) yield { number };
				await end(how, context);
			} finally {
				// Where it is ended while it waits to be read, this is all that it gets to see.
				if (how === "hang") ending("Count").resolve(context.signal.reason);
			}
			context.responseTrailer.set("x-after", "all");
		},
		async *echo(requests, context) {
			const over = () => ending("Echo").resolve(context.signal.reason);
			context.signal.addEventListener("abort", over, { once: true });
			if (context.signal.aborted) over();
			beginning("Echo").resolve(undefined);
			for await (const { text } of requests) yield { text };
		},
	};
	return {
		routes: (router) => void router.service(CarrierService, service),
		began: (method) => beginning(method).promise,
		ended: (method) => ending(method).promise,
	};
}
