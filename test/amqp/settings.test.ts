// Files that are not what a setting about the broker names them for: each is refused at once, by the setting's name.
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AmqpOptions, readAmqpSettings } from "../../src/amqp/settings.ts";
import { Refusal } from "../../src/refusal.ts";

let folder: string;
const pem = { type: "pkcs8", format: "pem" } as const;
const { privateKey } = generateKeyPairSync("ed25519");
const files = {
	binary: Buffer.from([0x30, 0x82, 0, 0xff]),
	blank: " \n",
	key: privateKey.export(pem),
	"locked key": privateKey.export({ ...pem, cipher: "aes-256-cbc", passphrase: "secret" }),
	"no certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	"no key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
};

beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), "settings-"));
	for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
});
afterAll(() => rm(folder, { recursive: true }));

async function refusal(options: Partial<AmqpOptions>): Promise<string> {
	const error = await readAmqpSettings({ amqpUrl: "amqp://127.0.0.1", ...options }).catch((error: unknown) => error);
	expect(error).toBeInstanceOf(Refusal);
	return (error as Refusal).message;
}

const named = {
	amqpPasswordFile: "a password",
	amqpCaFile: "certificate",
	amqpCertFile: "certificate",
	amqpKeyFile: "key",
};

describe("a file for the broker is refused by its setting's name", () => {
	test.each([
		["amqpPasswordFile", "blank"],
		...["amqpPasswordFile", "amqpCaFile", "amqpCertFile", "amqpKeyFile"].flatMap((option) => [
			[option, "."],
			[option, "missing"],
		]),
		...["binary", "blank", "key", "no certificate"].flatMap((name) => [
			["amqpCaFile", name],
			["amqpCertFile", name],
		]),
		...["binary", "blank", "no certificate", "no key", "locked key", "key"].map((name) => ["amqpKeyFile", name]),
	] as [keyof typeof named, string][])("%s: %s", async (option, name) => {
		const path = join(folder, name);
		const setting = option.replace(/[A-Z]/g, "_$&").toUpperCase();
		const told = await refusal({ [option]: path });
		expect(told.startsWith(`${setting} is ${path}. Expected a file with `)).toBe(true);
		expect(told.slice(setting.length + path.length)).toContain(named[option]);
	});
});
