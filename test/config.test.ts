// Settings as commands take them, and as they are handed on to child processes.
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { afterEach, describe, expect, test, vi } from "vitest";
import { addSettings, readSettings, toEnvironment } from "../src/config.ts";
import { settingTable } from "../src/setting-table.ts";

/** Throws where a process would end; what it would have said is the error's message. */
function read(flags: readonly string[] = [], writeErr: (text: string) => void = () => {}) {
	const command = addSettings(new Command()).exitOverride().configureOutput({ writeErr });
	return readSettings(command.parse(flags, { from: "user" }));
}

describe("settings", () => {
	afterEach(() => vi.unstubAllEnvs());

	test("reach a child as they were read, whatever its environment says", () => {
		vi.stubEnv("PROCESSOR_DEFAULT_URL", "http://127.0.0.1:6");
		vi.stubEnv("ADMIN_KEY_FILE", "/run/key");
		const handedOn = toEnvironment(read(["--processor-default-url", "", "--port", "81"]));
		expect(handedOn).toMatchObject({ PROCESSOR_DEFAULT_URL: "", ADMIN_KEY_FILE: "/run/key", PORT: "81" });
		for (const [name, value] of Object.entries(handedOn)) vi.stubEnv(name, value);
		expect(toEnvironment(read())).toEqual(handedOn);
	});

	test.each([
		"amqp://a%zz:b@host",
		"amqp://host/%zz",
		"http://host",
		"amqp://",
		"amqp://host?heartbeat=1",
		"amqp://a,",
		"",
	])("a broker's URL is not %o", (url) =>
		expect(() => read(["--amqp-url", url])).toThrow(/Expected amqp\[s\]:\/\/.*, several separated by commas\./));

	test("a broker's URLs may be several, of names with any characters", () => {
		const url = "amqp://a%25:b%2Fc@host/%2F, amqps://[::1]:1";
		expect(read(["--amqp-url", url]).amqpUrl).toBe(url);
	});

	test("a fee reaches a child as it was read, however small", () => {
		expect(toEnvironment(read(["--processor-default-fee", "0.000001"])).PROCESSOR_DEFAULT_FEE).toBe("0.000001");
		expect(() => read(["--processor-default-fee", "0.0000001"])).toThrow(/at most six decimals/);
	});

	test.each([
		["--processor-default-url", "http://relay:hunter2@127.0.0.1:1", "a URL without user and password"],
		["--processor-fallback-url", "http://hunter2@127.0.0.1:1", "a URL without user and password"],
		["--processor-default-url", "ftp://relay:hunter2@127.0.0.1:1", "a URL such as"],
		["--amqp-url", "amqp://relay:hunter2@a, http://relay:hunter2@127.0.0.1:1", "amqp[s]://[user[:password]@]host"],
	])("a wrong URL is told without its password: %s %s", (flag, url, expected) => {
		let told = "";
		expect(() => read([flag, url], (text) => (told += text))).toThrow();
		expect(told).toContain(flag);
		expect(told).toContain("***@127.0.0.1:1'");
		expect(told).toContain(`Expected ${expected}`);
		expect(told).not.toContain("hunter2");
	});

	test("so is one from the environment", () => {
		vi.stubEnv("PROCESSOR_DEFAULT_URL", "http://relay:hunt'er2@127.0.0.1:1");
		let told = "";
		expect(() => read([], (text) => (told += text))).toThrow();
		expect(told).toContain("value 'http://***@127.0.0.1:1' from env 'PROCESSOR_DEFAULT_URL' is invalid.");
	});

	test("the simulators' token is not empty", () => {
		expect(() => read(["--processor-token", ""])).toThrow("Expected a value that is not empty.");
	});

	test("have the defaults that the README tells", () => {
		const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
		const [, table = ""] = /## Settings\n([\s\S]*?)\n## /.exec(readme) ?? [];
		const rows = [...table.matchAll(/^\| (`[A-Z_`, ]+) \| (.+?) \|/gm)];
		const told = rows.flatMap(([, names = "", defaults = ""]) => {
			const values = defaults.split(", ");
			return names.split(", ").map((name, i) => [name.replaceAll("`", ""), values[i] ?? values[0]]);
		});
		const own = Object.values(settingTable).map(({ name, default: value }) => [name, String(value) || "none"]);
		expect(told.length).toBeGreaterThan(10);
		expect(own).toEqual(expect.arrayContaining(told));
	});

	test("name two processors", () => {
		const [url, same, other] = ["http://127.0.0.1:1", "http://127.0.0.1:1/", "http://127.0.0.1:2"] as const;
		const urls = (fallback: string) => read(["--processor-default-url", url, "--processor-fallback-url", fallback]);
		expect(() => urls(same)).toThrow(
			/PROCESSOR_DEFAULT_URL and PROCESSOR_FALLBACK_URL are both http:\/\/127.0.0.1:1\./,
		);
		expect(urls(other)).toMatchObject({ processorDefaultUrl: url, processorFallbackUrl: other });
	});
});
