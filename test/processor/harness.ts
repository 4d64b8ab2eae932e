// A simulated processor in simulated time, called without sockets, for the tests beside this file.
import { createProcessorApp } from "../../src/processor/app.ts";
import { createFeeRate } from "../../src/processor/fee.ts";
import { createProcessor } from "../../src/processor/processor.ts";
import { createFakeClock } from "../fake-clock.ts";

export const paymentId = (n: number): string => `4a7901b8-7d26-4d9d-aa19-${n.toString(16).padStart(12, "0")}`;

export const paymentBody = (
	n: number,
	amount: string = "19.90",
	requestedAt: string = "2025-07-15T12:00:00.000Z",
): string => `{"correlationId":"${paymentId(n)}","amount":${amount},"requestedAt":"${requestedAt}"}`;

export function createHarness(random: () => number = () => 0) {
	const clock = createFakeClock();
	const processor = createProcessor({ clock, random });
	const app = createProcessorApp("default", processor, createFeeRate("0.05"));
	const json = { "content-type": "application/json" };
	const admin = { ...json, "x-rinha-token": "123" };
	/** Status and text of an answer. */
	const tell = async (answer: Response | Promise<Response>): Promise<[number, string]> => {
		const { status, text } = await Promise.resolve(answer).then((r) => ({ status: r.status, text: r.text() }));
		return [status, await text];
	};
	return {
		clock,
		processor,
		app,
		tell,
		post: (body: string) => tell(app.request("/payments", { method: "POST", headers: json, body })),
		get: (path: string) => tell(app.request(path)),
		admin: (method: string, path: string, body?: unknown) =>
			tell(app.request(`/admin/${path}`, { method, headers: admin, ...(body ? { body: JSON.stringify(body) } : {}) })),
	};
}
