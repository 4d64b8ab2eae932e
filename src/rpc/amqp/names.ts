// What the carrier calls its queues and exchanges. All names of one deployment begin with its namespace.

/** Where requests for a service wait: durable, shared by all who serve it. */
export function requestQueue(namespace: string, service: string): string {
	return `${namespace}.rpc.${service}`;
}

/** Where requests go that nobody could read, or that killed whoever tried. */
export function deadLetterExchange(namespace: string): string {
	return `${namespace}.rpc.dead`;
}

export function deadLetterQueue(namespace: string): string {
	return `${namespace}.rpc.dead-letters`;
}

/** Exclusive to the connection of the one that serves the namespace; no message ever goes there. */
export function ownerQueue(namespace: string): string {
	return `${namespace}.rpc.owner`;
}

/**
 * The queue of one process: answers come to it, and the frames of streams. Named here and not by the broker, so that whoever
 * is to answer can tell a mailbox of this deployment from any other queue that a message names.
 */
export function newMailbox(namespace: string): string {
	return `${namespace}.mailbox.${crypto.randomUUID()}`;
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function isMailbox(namespace: string, queue: unknown): queue is string {
	const prefix = `${namespace}.mailbox.`;
	return typeof queue === "string" && queue.startsWith(prefix) && uuid.test(queue.slice(prefix.length));
}
