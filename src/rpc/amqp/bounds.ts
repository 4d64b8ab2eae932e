// The bounds of the AMQP carrier.

export interface AmqpRpcBounds {
	/** Calls that one process may have open, unary and streams; beyond, a call ends with RESOURCE_EXHAUSTED. */
	readonly callsMax: number;
	/** A unary call without a deadline ends with DEADLINE_EXCEEDED after so long, ms. */
	readonly unaryMaxMs: number;
	/**
	 * A stream that nobody has taken for so long ends with UNAVAILABLE, ms: its request may have been lost with a queue that
	 * was deleted, and whoever needs a stream opens it again.
	 */
	readonly acceptMaxMs: number;
	/** Streams that one process serves at the same time; beyond, RESOURCE_EXHAUSTED. */
	readonly streamsMax: number;
	/** Bytes of a stream that may be on their way, in each direction; half of it, where the next message is larger than the rest. */
	readonly windowBytes: number;
	/** A unary call that takes longer tells its caller where it is being served, so that it can be cancelled, ms. */
	readonly acceptAfterMs: number;
	/** The other side of a stream is looked for when nothing was sent to it for so long, ms. */
	readonly pingMs: number;
	/** Headers of a call: pairs, and bytes in all. */
	readonly headerPairsMax: number;
	readonly headerBytesMax: number;
	/** Requests that wait in a service's queue; beyond, a call ends with RESOURCE_EXHAUSTED. */
	readonly queueMax: number;
	readonly queueMaxBytes: number;
	/** Dead letters that are kept; the oldest go first. */
	readonly deadLettersMax: number;
	readonly deadLettersMaxBytes: number;
	/** A request that was handed out and came back, because its receiver went, so many times is a dead letter. */
	readonly deliveryLimit: number;
	/** Requests whose answers are remembered, and bytes of them, so that one that comes again has no second effect. */
	readonly answersMax: number;
	readonly answersMaxBytes: number;
	/** Attempts of a call of an idempotent method, when the broker is lost under it. */
	readonly attemptsMax: number;
}

export const amqpRpcBounds: AmqpRpcBounds = {
	callsMax: 4096,
	unaryMaxMs: 60_000,
	acceptMaxMs: 2_000,
	streamsMax: 1024,
	windowBytes: 256 * 1024,
	acceptAfterMs: 50,
	pingMs: 1_000,
	headerPairsMax: 64,
	headerBytesMax: 16 * 1024,
	queueMax: 100_000,
	queueMaxBytes: 1024 * 1024 * 1024,
	deadLettersMax: 100_000,
	deadLettersMaxBytes: 1024 * 1024 * 1024,
	deliveryLimit: 3,
	answersMax: 4096,
	answersMaxBytes: 8 * 1024 * 1024,
	attemptsMax: 5,
};
