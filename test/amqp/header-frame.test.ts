// What is left out of a message's headers before they are decoded: what lies too deep, what has no type, and nothing else.
import { describe, expect, test } from "vitest";
import { headerFrameLength, headerLevelsMax, withoutUnreadable } from "../../src/amqp/header-frame.ts";
import { field, headerFrame, long, nested } from "./raw-message.ts";

const text = (name: string) => field(name, "S", long("a text"));
const others = { contentType: "application/json", correlationId: "c", replyTo: "m", type: "request", appId: "a" };

function readable(...headers: Buffer[]): Buffer | undefined {
	const bytes = headerFrame(1, { ...others, headers });
	const length = headerFrameLength(bytes);
	expect(length).toBe(bytes.length);
	return withoutUnreadable(bytes, length);
}

const kept = (...headers: Buffer[]) => headerFrame(1, { ...others, headers });

describe("the headers of a message", () => {
	test("are left as they are where each is of a known type", () => {
		const sizes = { V: 0, t: 1, b: 1, B: 1, s: 2, u: 2, I: 4, i: 4, f: 4, D: 5, l: 8, d: 8, T: 8 };
		const fixed = Object.entries(sizes).map(([type, size]) => field(type, type, Buffer.alloc(size, 0xff)));
		const inside = long(Buffer.concat(fixed));
		const values = fixed.map((entry) => entry.subarray(2));
		const array = field("array", "A", long(Buffer.concat(values)));
		expect(
			readable(...fixed, text("s"), field("x", "x", long("x")), field("table", "F", inside), array),
		).toBeUndefined();
	});

	test("are left as they are where there are none", () => {
		expect(readable()).toBeUndefined();
		const bytes = headerFrame(1, others);
		expect(withoutUnreadable(bytes, bytes.length)).toBeUndefined();
	});

	test.each(["F", "A"] as const)("lack those that lie too deep (%s), and keep what is before and behind", (type) => {
		const [path, id] = [text("path"), text("id")];
		expect(readable(path, nested("deep", type, headerLevelsMax), id)).toBeUndefined();
		for (const levels of [headerLevelsMax + 1, 20_000])
			expect(readable(path, nested("deep", type, levels), id)).toEqual(kept(path, id));
	});

	test("lack what is in a table or an array with a type that nobody knows, and all that is behind such a value", () => {
		const unknown = field("u", "?", Buffer.alloc(8));
		expect(readable(text("path"), field("table", "F", long(unknown)), text("id"))).toEqual(
			kept(text("path"), text("id")),
		);
		expect(readable(text("path"), unknown, text("id"))).toEqual(kept(text("path")));
	});

	test("lack what is longer than what it lies in", () => {
		const tooLong = field("s", "S", Buffer.of(0, 0, 1, 0));
		expect(readable(text("path"), field("table", "F", long(tooLong)))).toEqual(kept(text("path")));
		expect(readable(text("path"), tooLong)).toEqual(kept(text("path")));
		expect(readable(text("path"), Buffer.of(9))).toEqual(kept(text("path")));
	});
});

test("a header frame is one only when all of it is there", () => {
	const bytes = headerFrame(1, { headers: [text("path")] });
	for (let length = 0; length < bytes.length; length++) expect(headerFrameLength(bytes.subarray(0, length))).toBe(0);
	expect(headerFrameLength(Buffer.concat([bytes, bytes]))).toBe(bytes.length);
	const body = Buffer.from(bytes);
	body[0] = 3;
	expect(headerFrameLength(body)).toBe(0);
});
