// What a shop asks of the books: the summary of a window, and one payment's state.
import type { Context } from "hono";
import type { Totals } from "../gen/payrelay/v1/stats_service_pb.ts";
import { formatCents } from "../payment/amount.ts";
import { parsePaymentId } from "../payment/payment.ts";
import { viewPayment } from "./payment-view.ts";
import type { Problem } from "./problem.ts";
import { json, type Route, type RouteContext } from "./route.ts";
import { parseWindow } from "./window.ts";

export function booksRoutes({ stats, settings }: RouteContext): readonly Route[] {
	const options = { timeoutMs: settings.statsTimeoutMs };
	return [
		{
			method: "GET",
			path: "/payments-summary",
			async handle(c) {
				const window = parseWindow(c.req.queries("from") ?? [], c.req.queries("to") ?? []);
				if ("kind" in window) return window;
				const { fromUs, toUs } = window;
				if (fromUs !== undefined && toUs !== undefined && fromUs > toUs) return json(summaryText());
				const answer = await stats.summary(
					{
						...(fromUs !== undefined && { from: timestamp(fromUs) }),
						...(toUs !== undefined && { to: timestamp(toUs) }),
					},
					options,
				);
				return json(summaryText(answer.default, answer.fallback));
			},
		},
		{
			method: "GET",
			path: "/payments/:id",
			async handle(c) {
				const id = pathId(c);
				if (typeof id !== "string") return id;
				const { payment } = await stats.getPayment({ id }, options);
				if (!payment) throw new Error("the cache answered without the payment");
				return json(JSON.stringify(viewPayment(payment)));
			},
		},
	];
}

/** The payment that the path names, in lower case. */
export function pathId(c: Context): string | Problem {
	return (
		parsePaymentId(c.req.param("id") ?? "") ?? {
			kind: "invalid-id",
			detail: "The path must name a payment by its UUID.",
		}
	);
}

/** The challenge's form. The digits are written out, because a double holds no more than 2^53 cents exactly. */
function summaryText(atDefault?: Totals, atFallback?: Totals): string {
	return `{"default":${totalsText(atDefault)},"fallback":${totalsText(atFallback)}}`;
}

function totalsText(totals: Totals | undefined): string {
	return `{"totalRequests":${totals?.count ?? 0n},"totalAmount":${formatCents(totals?.amountCents ?? 0n)}}`;
}

function timestamp(us: number): { seconds: bigint; nanos: number } {
	const seconds = Math.floor(us / 1_000_000);
	return { seconds: BigInt(seconds), nanos: (us - seconds * 1_000_000) * 1000 };
}
