// CloudEvents 1.0 in its structured JSON form: written, and read strictly.
//
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md and .../formats/json-format.md
import { parseInstant } from "../payment/instant.ts";

export interface CloudEvent {
	readonly specversion: "1.0";
	/** Names the event within its source: two events with the same source and id are the same event. */
	readonly id: string;
	readonly source: string;
	readonly type: string;
	readonly subject?: string;
	/** RFC 3339. */
	readonly time?: string;
	/** Present where the message has `data` or `data_base64`, and then as it came. */
	readonly data?: unknown;
}

export const cloudEventContentType = "application/cloudevents+json";

/** What every intermediary must let pass (the specification's part on size limits); nothing larger is read. */
export const cloudEventMaxBytes = 64 * 1024;

/** The message is no such event; its text says what is wrong with it. */
export class InvalidEvent extends Error {
	override readonly name = "InvalidEvent";
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const mediaType = /^application\/cloudevents\+json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;
const attributeName = /^[a-z0-9]+$/;
/** The characters of RFC 3986; nothing of ours takes a URI apart. */
const uriReference = /^[\w\-.~:/?#[\]@!$&'()*+,;=%]+$/;
const timestamp = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;

export function encodeCloudEvent(event: CloudEvent): Uint8Array {
	return new TextEncoder().encode(JSON.stringify(event));
}

/** Throws InvalidEvent. Extensions are checked for their form, and passed over. */
export function parseCloudEvent(body: Uint8Array, contentType: string | undefined): CloudEvent {
	if (contentType === undefined || !mediaType.test(contentType))
		throw new InvalidEvent(`the content type is ${quoted(contentType)}, not ${cloudEventContentType}`);
	const members = parseObject(body);
	const attributes = new Map<string, string | number | boolean>();
	for (const [name, value] of Object.entries(members)) {
		if (name === "data" || name === "data_base64") continue;
		if (!attributeName.test(name)) throw new InvalidEvent(`${quoted(name)} is no attribute's name`);
		// The format takes null for an attribute that is not there.
		if (value === null) continue;
		if (typeof value === "object") throw new InvalidEvent(`${name} is not a string, a number or a boolean`);
		attributes.set(name, value as string | number | boolean);
	}

	function text(name: string): string | undefined {
		const value = attributes.get(name);
		if (value === undefined) return undefined;
		if (typeof value !== "string" || value === "") throw new InvalidEvent(`${name} is ${quoted(value)}, not a text`);
		return value;
	}
	function required(name: string): string {
		const value = text(name);
		if (value === undefined) throw new InvalidEvent(`${name} is missing`);
		return value;
	}

	const specversion = required("specversion");
	if (specversion !== "1.0") throw new InvalidEvent(`specversion is ${quoted(specversion)}, not "1.0"`);
	const source = required("source");
	if (!uriReference.test(source)) throw new InvalidEvent(`source is ${quoted(source)}, not a URI reference`);
	const time = text("time");
	if (time !== undefined && (!timestamp.test(time) || parseInstant(time.slice(0, 19)) === undefined))
		throw new InvalidEvent(`time is ${quoted(time)}, not a moment of RFC 3339`);
	const subject = text("subject");
	const data = members.data ?? members.data_base64;
	return {
		specversion,
		id: required("id"),
		source,
		type: required("type"),
		...(subject !== undefined && { subject }),
		...(time !== undefined && { time }),
		...(data !== undefined && { data }),
	};
}

function parseObject(body: Uint8Array): Record<string, unknown> {
	if (body.length > cloudEventMaxBytes)
		throw new InvalidEvent(`the message has ${body.length} bytes; ${cloudEventMaxBytes} are the most`);
	let value: unknown;
	try {
		value = JSON.parse(utf8.decode(body));
	} catch (cause) {
		throw new InvalidEvent("the message is not JSON in UTF-8", { cause });
	}
	if (typeof value !== "object" || value === null || Array.isArray(value))
		throw new InvalidEvent("the message is not a JSON object");
	return value as Record<string, unknown>;
}

/** Whatever came, short enough for a line of a log. */
function quoted(value: unknown): string {
	const text = JSON.stringify(value) ?? "missing";
	return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
