// What a setting's text may be: each takes the text and gives the value, or says what was expected.
import { InvalidArgumentError } from "commander";
import { Decimal } from "decimal.js";
import { amqpHostOf, amqpUrlForm } from "./amqp/settings.ts";

function expected(what: string): InvalidArgumentError {
	return new InvalidArgumentError(`Expected ${what}.`);
}

export function integer(min: number, max: number): (text: string) => number {
	return (text) => {
		const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
		if (!(value >= min && value <= max)) throw expected(`a whole number from ${min} to ${max}`);
		return value;
	};
}

export function fee(): (text: string) => number {
	return (text) => {
		// Of more decimals, a number's text may have an exponent.
		const value = /^\d+(\.\d{1,6})?$/.test(text) ? new Decimal(text).toNumber() : Number.NaN;
		if (!(value >= 0 && value < 1))
			throw expected("a part of the amount, from 0 to below 1 with at most six decimals, such as 0.05");
		return value;
	};
}

export function text(): (text: string) => string {
	return (text) => text;
}

export function filled(): (text: string) => string {
	return (text) => {
		if (text.trim() === "") throw expected("a value that is not empty");
		return text;
	};
}

/** An IPv6 address may stand in brackets, as in a URL. */
export function host(): (text: string) => string {
	return (text) => filled()(text).replace(/^\[(.*)\]$/, "$1");
}

export function amqpUrls(): (text: string) => string {
	return (text) => {
		if (!text.split(",").every((url) => amqpHostOf(url.trim())))
			throw expected(`${amqpUrlForm}, several separated by commas`);
		return text;
	};
}

export function namespace(): (text: string) => string {
	return (text) => {
		if (!/^[A-Za-z0-9_-]{1,64}$/.test(text)) throw expected("1 to 64 letters, digits, _ and -");
		return text;
	};
}

/** Linux's bound on the path of a unix socket, without its final zero, bytes. */
export const socketPathMax = 107;
const socketPath = new RegExp(`^unix:.{1,${socketPathMax}}$`);

export function socket(): (text: string) => string {
	return (text) => {
		if (text !== "" && !socketPath.test(text))
			throw expected(`unix:PATH, with a path of 1 to ${socketPathMax} characters`);
		return text;
	};
}

export function socketOrAddress(): (text: string) => string {
	return (text) => (text === "" || text.startsWith("unix:") ? socket()(text) : address("unix:PATH or host:port")(text));
}

export function choice<const T extends string>(...choices: readonly T[]): (text: string) => T {
	return (text) => {
		const found = choices.find((one) => one === text);
		if (found === undefined) throw expected(choices.join(" or "));
		return found;
	};
}

export function url(): (text: string) => string {
	return (text) => {
		if (text === "") return text;
		const parsed = URL.canParse(text) ? new URL(text) : undefined;
		if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.search !== "" || parsed.hash !== "")
			throw expected("a URL such as http://127.0.0.1:8001");
		if (parsed.username !== "" || parsed.password !== "") throw expected("a URL without user and password");
		return parsed.href.replace(/\/$/, "");
	};
}

export function address(form = "host:port"): (text: string) => string {
	return (text) => {
		const port = /^(?:\[[0-9a-fA-F:.]+\]|[^:[\]/\s]+):(\d{1,5})$/.exec(text)?.[1];
		if (port === undefined || Number(port) > 65535) throw expected(`${form}, such as 127.0.0.1:9998`);
		return text;
	};
}
