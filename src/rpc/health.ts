// The standard health service (grpc.health.v1): each service's status, asked for or watched.
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../gen/grpc/health/v1/health_pb.ts";
import type { Routes } from "./carrier.ts";

/** Watches open at the same time; one more is RESOURCE_EXHAUSTED. */
export const watchesMax = 64;

export interface HealthRoutes {
	readonly routes: Routes;
	/** `service` is its full name; the empty one stands for the whole server. */
	set(service: string, serving: boolean): void;
	/** Ends the watches with UNAVAILABLE; every service is NOT_SERVING from now on. */
	close(): void;
}

/** None of the services serves before it is set so. */
export function createHealth(services: readonly string[]): HealthRoutes {
	const statuses = new Map<string, Status>(["", ...services].map((name) => [name, Status.NOT_SERVING]));
	const watches = new Set<() => void>();
	let closed = false;

	const changed = (): void => {
		for (const wake of watches) wake();
	};

	const service: ServiceImpl<typeof Health> = {
		check({ service }) {
			const status = statuses.get(service);
			if (status === undefined) throw new ConnectError(`no service '${service}'`, Code.NotFound);
			return { status };
		},
		list: () => ({
			statuses: Object.fromEntries([...statuses].map(([name, status]) => [name, { status }])),
		}),
		async *watch({ service }, { signal }) {
			if (watches.size >= watchesMax) throw new ConnectError("too many watches", Code.ResourceExhausted);
			let wake = () => {};
			const woken = (): void => wake();
			watches.add(woken);
			signal.addEventListener("abort", woken);
			try {
				let told: Status | undefined;
				while (!signal.aborted && !closed) {
					const status = statuses.get(service) ?? Status.SERVICE_UNKNOWN;
					if (status !== told) {
						told = status;
						yield { status };
					} else {
						await new Promise<void>((resolve) => {
							wake = resolve;
						});
					}
				}
				if (closed) throw new ConnectError("the server is closing", Code.Unavailable);
			} finally {
				watches.delete(woken);
				signal.removeEventListener("abort", woken);
			}
		},
	};

	return {
		routes: (router) => void router.service(Health, service),
		set(name, serving) {
			if (!statuses.has(name)) throw new RangeError(`no service '${name}'`);
			statuses.set(name, serving && !closed ? Status.SERVING : Status.NOT_SERVING);
			changed();
		},
		close() {
			closed = true;
			for (const name of statuses.keys()) statuses.set(name, Status.NOT_SERVING);
			changed();
		},
	};
}
