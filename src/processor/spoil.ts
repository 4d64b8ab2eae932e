// Turns the answer that the contract promises into the one that a misbehaving processor gives.
import { type Answer, toWire, type WholeAnswer, whole } from "./answer.ts";
import { faultBody, type Misbehaviour, spoilOf } from "./misbehaviour.ts";

const notHttp = "\u0000\u0001\u0002 220 mail.example ESMTP ready\r\n\u007f\u007f";
const notJson = '{"message":"payment processed succ\u0000\u0000<html>';

export function spoil(answer: WholeAnswer, how: Misbehaviour): Answer {
	const raw = (text: string, pauseMs = 0): Answer => ({ kind: "raw", text, pauseMs, reset: how.reset });
	const { head, body } = toWire(answer);
	switch (spoilOf(how.mode)) {
		case "none":
			return answer;
		case "cut":
			return { kind: "cut", reset: how.reset };
		case "error":
			return whole(500, faultBody);
		case "status":
			return whole(how.status, how.body);
		case "garbage":
			return raw(notHttp);
		case "garbage_body":
			return whole(200, notJson);
		case "half":
			return raw(head + body.slice(0, body.length / 2));
		case "slow":
			return raw(head + body, how.delay);
		case "huge":
			return { kind: "huge", bytes: how.bytes };
	}
}
