// Settings as commands take them, and as they are handed on to child processes.
import { Command } from "commander";
import { afterEach, describe, expect, test, vi } from "vitest";
import { addSettings, readSettings, toEnvironment } from "../src/config.ts";

/** Throws where a process would end; what it would have said is the error's message. */
function read(...flags: string[]) {
	const command = addSettings(new Command())
		.exitOverride()
		.configureOutput({ writeErr: () => {} });
	return readSettings(command.parse(flags, { from: "user" }));
}

describe("settings", () => {
	afterEach(() => vi.unstubAllEnvs());

	test("reach a child as they were read, whatever its environment says", () => {
		vi.stubEnv("PROCESSOR_DEFAULT_URL", "http://127.0.0.1:6");
		vi.stubEnv("ADMIN_KEY_FILE", "/run/key");
		const handedOn = toEnvironment(read("--processor-default-url", "", "--port", "81"));
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
		expect(() => read("--amqp-url", url)).toThrow(/Expected amqp\[s\]:\/\/.*, several separated by commas\./));

	test("a broker's URLs may be several, of names with any characters", () => {
		const url = "amqp://a%25:b%2Fc@host/%2F, amqps://[::1]:1";
		expect(read("--amqp-url", url).amqpUrl).toBe(url);
	});

	test("name two processors", () => {
		const [url, same, other] = ["http://127.0.0.1:1", "http://127.0.0.1:1/", "http://127.0.0.1:2"] as const;
		const urls = (fallback: string) => read("--processor-default-url", url, "--processor-fallback-url", fallback);
		expect(() => urls(same)).toThrow(
			/PROCESSOR_DEFAULT_URL and PROCESSOR_FALLBACK_URL are both http:\/\/127.0.0.1:1\./,
		);
		expect(urls(other)).toMatchObject({ processorDefaultUrl: url, processorFallbackUrl: other });
	});
});
