// One cache serves a namespace: two would share the requests, and each be asked about payments that only the other one knows.
import type { ConfirmChannel } from "amqplib";
import { closedFor } from "../../amqp/reply-code.ts";
import type { Clock } from "../../clock.ts";
import { Refusal } from "../../refusal.ts";
import { ownerQueue } from "./names.ts";

export interface Owner {
	/**
	 * Resolves once the channel's connection owns the namespace, as it does until it closes; rejects where another one does.
	 * To be asked on each new channel before requests are taken there, and asked again where it rejects.
	 */
	own(channel: ConfirmChannel): Promise<void>;
	/**
	 * Rejects with a Refusal where another connection has owned it for `waitMs`: so long the broker may take for connected one
	 * that has gone without a word.
	 */
	readonly refused: Promise<never>;
}

export function createOwner(namespace: string, clock: Clock, waitMs: number): Owner {
	const refused = Promise.withResolvers<never>();
	let lockedSinceMs: number | undefined;

	function meetOther(): void {
		const nowMs = clock.monotonic();
		lockedSinceMs ??= nowMs;
		if (nowMs - lockedSinceMs >= waitMs)
			refused.reject(new Refusal(`another cache serves ${namespace} at this broker: see AMQP_NAMESPACE and AMQP_URL`));
	}

	return {
		async own(channel) {
			try {
				await channel.assertQueue(ownerQueue(namespace), { exclusive: true, durable: false });
			} catch (error) {
				// The queue is another connection's alone.
				if (closedFor(error, "resourceLocked")) meetOther();
				else lockedSinceMs = undefined;
				throw error;
			}
			lockedSinceMs = undefined;
		},
		refused: refused.promise,
	};
}
