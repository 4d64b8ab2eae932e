// What the AMQP carrier has seen, on both sides, since the process started.

export interface AmqpRpcCounters {
	/** Calls made, and those that no queue took. */
	calls: number;
	unroutable: number;
	/** Messages to this process's mailbox that belonged to an open call, or asked whether it is there. */
	frames: number;
	/** Those to a call that is over or never was, or from another than serves it: late, repeated, or forged. */
	late: number;
	/** Messages to this process that are none of the carrier's, or lack what they need. */
	malformed: number;
	/** Requests that came, and what became of each of them. */
	requests: number;
	served: number;
	expired: number;
	unreadable: number;
	/** For methods that are not served, and streams beyond the bound. */
	refused: number;
	/** Requests that the broker had handed out before, and those that were answered from memory. */
	redelivered: number;
	repeated: number;
	/** Answers for a caller that has gone. */
	callerGone: number;
	/** Streams that ended because their other side, or the broker, has gone. */
	streamsLost: number;
	/** Calls of idempotent methods that were made again. */
	retried: number;
}

export function createAmqpRpcCounters(): AmqpRpcCounters {
	return {
		calls: 0,
		unroutable: 0,
		frames: 0,
		late: 0,
		malformed: 0,
		requests: 0,
		served: 0,
		expired: 0,
		unreadable: 0,
		refused: 0,
		redelivered: 0,
		repeated: 0,
		callerGone: 0,
		streamsLost: 0,
		retried: 0,
	};
}
