// What a caller is told when the broker, or whoever it was speaking with, is lost or does not take its message.
import { Code, ConnectError } from "@connectrpc/connect";
import { PublishError } from "../../amqp/message.ts";

/** Why a call ended that may be made again over another connection to the broker. */
export class BrokerLost extends Error {
	override readonly name = "BrokerLost";
}

export function brokerLost(cause: Error): ConnectError {
	const lost = new BrokerLost(cause.message, { cause });
	return new ConnectError(`the broker was lost: ${cause.message}`, Code.Unavailable, undefined, undefined, lost);
}

export function peerGone(): ConnectError {
	return new ConnectError("the other side of the stream has gone", Code.Unavailable);
}

/** What a request that could not be published means to its caller; what is no PublishError stays as it is. */
export function requestFailure(error: unknown, service: string): unknown {
	if (!(error instanceof PublishError)) return error;
	switch (error.failure) {
		case "unroutable":
			return new ConnectError(`nobody serves ${service}`, Code.Unavailable, undefined, undefined, error);
		case "lost":
			return brokerLost(error);
		case "refused":
			return new ConnectError(`too much waits for ${service}`, Code.ResourceExhausted, undefined, undefined, error);
		case "unwritable":
			return new ConnectError(
				`the headers of the call cannot be sent: ${error.message}`,
				Code.ResourceExhausted,
				undefined,
				undefined,
				error,
			);
		case "crowded":
			return new ConnectError("too much waits for the broker", Code.ResourceExhausted, undefined, undefined, error);
		case "closed":
			return new ConnectError("the client is closed", Code.Unavailable, undefined, undefined, error);
	}
}
