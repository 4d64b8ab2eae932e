// Answers requests, and settles the deliveries of those that are not served: refused, or set aside as dead letters.
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { type Delivery, PublishError } from "../../amqp/message.ts";
import type { Answer } from "./answers.ts";
import type { AmqpRpcBounds } from "./bounds.ts";
import type { AmqpRpcCounters } from "./counters.ts";
import { headersFit, type Request, readReturnAddress } from "./frame.ts";
import type { Mailbox } from "./mailbox.ts";
import { isMailbox } from "./names.ts";

export interface Responder {
	/** False: the broker was lost before it was sure to have the answer. */
	answer(request: Pick<Request, "call" | "replyTo">, answer: Answer): Promise<boolean>;
	refuse(delivery: Delivery, request: Request, error: ConnectError): void;
	/** Nobody will ever be able to read it: to the dead letters, and an answer to whoever can be answered. */
	setAside(delivery: Delivery, why: string): void;
}

export interface ResponderOptions {
	readonly namespace: string;
	readonly mailbox: Mailbox;
	readonly bounds: AmqpRpcBounds;
	readonly counters: AmqpRpcCounters;
	readonly onFault: (error: unknown, what: string) => void;
}

export function createResponder({ namespace, mailbox, bounds, counters, onFault }: ResponderOptions): Responder {
	async function answer({ call, replyTo }: Pick<Request, "call" | "replyTo">, answer: Answer): Promise<boolean> {
		const fits = headersFit(answer.header, bounds) && headersFit(answer.trailer, bounds);
		try {
			await mailbox.ready();
			// Where it is behind, requests are taken more slowly: an answer that is given up is a request that is served again.
			await mailbox.room();
			await post(replyTo, call, fits ? answer : tooManyHeaders());
			return true;
		} catch (error) {
			if (!(error instanceof PublishError)) throw error;
			if (error.failure !== "unroutable") return false;
			counters.callerGone++;
			return true;
		}
	}

	async function post(replyTo: string, call: string, answer: Answer): Promise<void> {
		try {
			await mailbox.post(replyTo, { kind: "answer", call, ...answer });
		} catch (error) {
			if (!(error instanceof PublishError) || error.failure !== "unwritable") throw error;
			await mailbox.post(replyTo, { kind: "answer", call, ...tooManyHeaders() });
		}
	}

	function settle(answered: Promise<boolean>, then: (done: boolean) => void): void {
		answered.then(then).catch((error: unknown) => onFault(error, "answering a request over the broker failed"));
	}

	return {
		answer,
		refuse(delivery, request, error) {
			counters.refused++;
			settle(answer(request, errorAnswer(error)), (done) => (done ? delivery.ack() : delivery.reject(true)));
		},
		setAside(delivery, why) {
			counters.unreadable++;
			const address = readReturnAddress(delivery.message.properties);
			if (address === undefined || !isMailbox(namespace, address.replyTo)) {
				delivery.reject(false);
				return;
			}
			const error = new ConnectError(`unreadable request: ${why}`, Code.InvalidArgument);
			settle(answer(address, errorAnswer(error)), () => delivery.reject(false));
		},
	};
}

function tooManyHeaders(): Answer {
	return errorAnswer(new ConnectError("the headers of the answer are too large", Code.ResourceExhausted));
}

function errorAnswer(error: ConnectError): Answer {
	return {
		status: codeToHttpStatus(error.code),
		header: new Headers({ "content-type": "application/json" }),
		trailer: new Headers(),
		body: errorToJsonBytes(error, undefined),
	};
}
