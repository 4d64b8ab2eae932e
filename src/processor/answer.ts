// What a simulated processor answers, as data: whole, or in one of the ways in which a line can fail its caller.

export type Answer =
	| {
			readonly kind: "whole";
			readonly status: number;
			readonly body: string;
			readonly type?: string;
			readonly retryAfterSeconds?: number;
	  }
	/** The line is closed without a byte; with RST instead of FIN where `reset`. */
	| { readonly kind: "cut"; readonly reset: boolean }
	/** These bytes and nothing else, each `pauseMs` behind the one before where that is not 0, then the line is cut. */
	| { readonly kind: "raw"; readonly text: string; readonly pauseMs: number; readonly reset: boolean }
	/** A 200 whose body has so many bytes. */
	| { readonly kind: "huge"; readonly bytes: number };

export type WholeAnswer = Extract<Answer, { kind: "whole" }>;

export const jsonType = "application/json; charset=utf-8";

/** Without a body where it is left out. */
export function whole(status: number, body: string = ""): WholeAnswer {
	return { kind: "whole", status, body };
}

/** The answer as it goes over the wire when no server frames it: its head, and its body. */
export function toWire(answer: WholeAnswer): { readonly head: string; readonly body: string } {
	const lines = [
		`HTTP/1.1 ${answer.status} Simulated`,
		`content-type: ${answer.type ?? jsonType}`,
		`content-length: ${Buffer.byteLength(answer.body)}`,
		"connection: close",
	];
	return { head: `${lines.join("\r\n")}\r\n\r\n`, body: answer.body };
}
