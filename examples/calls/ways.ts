// All ways that are compared, by the names that the commands know them by.
import { decode, encode } from "@msgpack/msgpack";
import type { Way } from "./way.ts";
import { overAmqp } from "./ways/amqp.ts";
import { type Encoding, overHttp1 } from "./ways/http1.ts";
import { binaryOverHttp2, jsonOverHttp2 } from "./ways/http2.ts";

const json: Encoding = {
	contentType: "application/json",
	encode: JSON.stringify,
	decode: (body) => JSON.parse(body.toString()),
	readDate: (value) => new Date(String(value)),
};

/** Dates have an encoding of their own there. */
const msgpack: Encoding = {
	contentType: "application/msgpack",
	encode,
	decode,
	readDate(value) {
		if (!(value instanceof Date)) throw new TypeError("a date was expected");
		return value;
	},
};

export const ways = {
	"json-http1": overHttp1("JSON, HTTP/1.1", json),
	"msgpack-http1": overHttp1("MessagePack, HTTP/1.1", msgpack),
	"connect-json-http2": jsonOverHttp2,
	"connect-binary-http2": binaryOverHttp2,
	"connect-binary-amqp": overAmqp,
} satisfies Record<string, Way>;

export type WayName = keyof typeof ways;

export const wayNames = Object.keys(ways) as WayName[];
