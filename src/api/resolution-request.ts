// The body of POST /payments/{id}/resolution: what a person decided on a parked payment, who, and why.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ChargeSchema, Processor } from "../gen/payrelay/v1/payment_pb.ts";
import { Decision, type ResolveParkedRequestSchema } from "../gen/payrelay/v1/stats_service_pb.ts";
import { parseAmount } from "../payment/amount.ts";
import { parseInstant } from "../payment/instant.ts";
import { amountSource, isObject, parseJsonObject } from "../payment/json.ts";
import { decisionWords, processorWords } from "../rpc/words.ts";
import { amountRule } from "./payment-request.ts";
import type { FieldError, Problem } from "./problem.ts";

/** 1,200 characters of text, each of up to 4 bytes or a 12 byte escape, and the rest. */
export const resolutionBodyMaxBytes = 16 * 1024;
const whoMax = 200;
const whyMax = 1000;

const decisions = new Map<unknown, Decision>(Object.entries(decisionWords.code));
const processors = new Map<unknown, Processor>(Object.entries(processorWords.code));

type ResolutionRequest = Omit<MessageInitShape<typeof ResolveParkedRequestSchema>, "$typeName" | "id">;

/** `{decision: "settle" | "retry" | "give_up", who, why, charge?: {processor, amount, requestedAt}}`. */
export function parseResolutionRequest(text: string): ResolutionRequest | Problem {
	const body = parseJsonObject(text);
	if (!body) return { kind: "malformed-body", detail: "The body must be one JSON object." };
	const errors: FieldError[] = [];
	const decision = decisions.get(body.decision);
	if (decision === undefined) errors.push({ pointer: "#/decision", detail: "must be settle, retry or give_up" });
	const words = (name: "who" | "why", max: number): string => {
		const value = body[name];
		// Code points, as the contract counts them.
		if (typeof value === "string" && value.isWellFormed() && value.trim() !== "" && [...value].length <= max)
			return value;
		errors.push({ pointer: `#/${name}`, detail: `must be text of 1 to ${max} characters` });
		return "";
	};
	const who = words("who", whoMax);
	const why = words("why", whyMax);
	const charge = body.charge === undefined ? undefined : parseCharge(body.charge, errors);
	if (decision !== undefined && (decision === Decision.SETTLE) !== (body.charge !== undefined))
		errors.push({
			pointer: "#/charge",
			detail:
				body.charge === undefined ? "is missing: the decision settle needs it" : "is for the decision settle only",
		});
	if (errors.length > 0)
		return { kind: "invalid-resolution", detail: "See errors for the members that are missing or not valid.", errors };
	return { decision: decision!, who, why, ...(charge && { charge }) };
}

function parseCharge(value: unknown, errors: FieldError[]): MessageInitShape<typeof ChargeSchema> | undefined {
	const fields = isObject(value) ? value : {};
	const processor = processors.get(fields.processor);
	const source = amountSource(fields.amount);
	const amountCents = source === undefined ? undefined : parseAmount(source);
	const { requestedAt } = fields;
	const requestedAtUs = typeof requestedAt === "string" ? parseInstant(requestedAt) : undefined;
	if (processor === undefined) errors.push({ pointer: "#/charge/processor", detail: "must be default or fallback" });
	if (amountCents === undefined) errors.push({ pointer: "#/charge/amount", detail: amountRule });
	if (requestedAtUs === undefined)
		errors.push({ pointer: "#/charge/requestedAt", detail: "must be an ISO-8601 moment from 1970 on" });
	if (processor === undefined || amountCents === undefined || requestedAtUs === undefined) return undefined;
	return { processor, amountCents, requestedAtUs: BigInt(requestedAtUs) };
}
