// One cache serves a namespace: two would share the requests, and each be asked about payments that only the other one knows.
import type { AmqpConnection } from "../../amqp/connection.ts";
import type { Clock } from "../../clock.ts";
import { Refusal } from "../../refusal.ts";
import { ownerQueue } from "./names.ts";

/** AMQP 0-9-1: the queue is another connection's alone. */
const resourceLocked = 405;

/**
 * Resolves once this connection owns the namespace, as it does until it closes. Rejects with a Refusal where another one has
 * owned it for `waitMs`: so long the broker may take for connected one that has gone without a word.
 */
export async function ownNamespace(
	connection: AmqpConnection,
	namespace: string,
	clock: Clock,
	waitMs: number,
): Promise<void> {
	const refused = Promise.withResolvers<never>();
	let lockedSinceMs: number | undefined;

	function meetOther(error: unknown): void {
		const nowMs = clock.monotonic();
		lockedSinceMs =
			(error as { readonly code?: unknown }).code === resourceLocked ? (lockedSinceMs ?? nowMs) : undefined;
		if (lockedSinceMs !== undefined && nowMs - lockedSinceMs >= waitMs)
			refused.reject(new Refusal(`another cache serves ${namespace} at this broker: see AMQP_NAMESPACE and AMQP_URL`));
	}

	// Declared anew with each connection: after a loss nothing waits for it.
	const channel = connection.channel({
		prefetch: 1,
		async setup(session) {
			try {
				await session.channel.assertQueue(ownerQueue(namespace), { exclusive: true, durable: false });
			} catch (error) {
				meetOther(error);
				throw error;
			}
		},
	});
	await Promise.race([channel.ready(), refused.promise]);
}
