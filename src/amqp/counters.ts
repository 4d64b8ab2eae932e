// What a connection to the broker has seen since the process started.

export interface AmqpCounters {
	/** Connections made after one was lost. */
	reconnects: number;
	/** Channels that the broker closed while their connection stayed. */
	channelsClosed: number;
	published: number;
	confirmed: number;
	/** Publications that no queue took. */
	unroutable: number;
	/** Publications that a queue refused. */
	refused: number;
	/** Publications whose confirm never came. */
	unconfirmed: number;
	delivered: number;
	/** Deliveries that the broker had handed out before. */
	redelivered: number;
}

export function createAmqpCounters(): AmqpCounters {
	return {
		reconnects: 0,
		channelsClosed: 0,
		published: 0,
		confirmed: 0,
		unroutable: 0,
		refused: 0,
		unconfirmed: 0,
		delivered: 0,
		redelivered: 0,
	};
}
