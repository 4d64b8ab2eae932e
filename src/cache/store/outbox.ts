// The outbox: what happened to payments and is not known to be published. It keeps the marks `eventSeq` and
// `eventsForgotten`.
import { type Clock, nowUs } from "../../clock.ts";
import { eventOf, type PaymentEvent } from "../../payment/event.ts";
import type { Payment } from "../../payment/life.ts";
import type { Rows } from "./rows.ts";

export function createOutbox(rows: Rows, clock: Clock) {
	const { marks } = rows;
	return {
		/** Tells of a step in a payment's life, in the transaction that takes it. */
		announce(before: Payment | undefined, after: Payment): void {
			const type = eventOf(before, after);
			if (!type) return;
			const timeUs = type === "payment.accepted" ? after.acceptedAtUs : nowUs(clock);
			rows.announce({ seq: ++marks.eventSeq, type, paymentId: after.id, timeUs });
		},
		/** Every event has a number and every number an event: one that is missing was lost. */
		read(afterSeq: number, upToSeq: number, max: number): PaymentEvent[] {
			const after = Math.max(afterSeq, marks.eventsForgotten);
			const found = after < upToSeq ? rows.outbox(after, upToSeq, max) : [];
			const wanted = Math.min(max, Math.max(0, upToSeq - after));
			if (found.length !== wanted || found.some(({ seq }, i) => seq !== after + 1 + i))
				throw rows.contradiction(`the outbox after event ${after}`);
			return found;
		},
		forget(upToSeq: number): void {
			const upTo = Math.min(upToSeq, marks.eventSeq);
			if (upTo <= marks.eventsForgotten) return;
			rows.forgetEvents(upTo);
			marks.eventsForgotten = upTo;
		},
		figures() {
			const outboxDepth = marks.eventSeq - marks.eventsForgotten;
			const [oldest] = outboxDepth > 0 ? rows.outbox(marks.eventsForgotten, marks.eventSeq, 1) : [];
			return { outboxDepth, outboxOldestMs: oldest ? Math.max(0, clock.now() - oldest.timeUs / 1000) : 0 };
		},
	};
}
