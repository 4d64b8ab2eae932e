// How a broker is reached: over TLS, with certificates, with a password from a file, in a virtual host, on the one of several
// hosts that is there, and with small frames.
import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type AmqpOptions, readAmqpSettings } from "../../../src/amqp/settings.ts";
import { freePorts } from "../../../src/bench/free-ports.ts";
import { type Broker, brokerInstalled, startBroker } from "../../amqp/broker.ts";
import { failure } from "../carrier-contract.ts";
import { createCarrierLab } from "../carrier-service.ts";
import { type AmqpLab, createAmqpLab, eventually } from "./lab.ts";

const run = promisify(execFile);
let folder: string;
let broker: Broker;
let tlsPort: number;
let lab: AmqpLab | undefined;
const file = (name: string) => join(folder, name);

async function openssl(...words: string[]): Promise<void> {
	await run("openssl", words, { cwd: folder, timeout: 20_000 });
}

async function certificate(name: string, signer: string): Promise<void> {
	await openssl(
		"req",
		"-newkey",
		"rsa:2048",
		"-nodes",
		"-keyout",
		`${name}.key`,
		"-out",
		`${name}.csr`,
		"-subj",
		`/CN=${name}`,
	);
	await writeFile(file(`${name}.ext`), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
	const signed = [
		"-CA",
		`${signer}.pem`,
		"-CAkey",
		`${signer}.key`,
		"-CAcreateserial",
		"-days",
		"2",
		"-extfile",
		`${name}.ext`,
	];
	await openssl("x509", "-req", "-in", `${name}.csr`, "-out", `${name}.pem`, ...signed);
	await chmod(file(`${name}.key`), 0o644);
}

async function authority(name: string): Promise<void> {
	const subject = ["-subj", `/CN=${name}`, "-days", "2"];
	await openssl(
		"req",
		"-x509",
		"-newkey",
		"rsa:2048",
		"-nodes",
		"-keyout",
		`${name}.key`,
		"-out",
		`${name}.pem`,
		...subject,
	);
}

beforeAll(async () => {
	if (!brokerInstalled) return;
	folder = await mkdtemp(join(tmpdir(), "certificates-"));
	await Promise.all([authority("ca"), authority("other-ca")]);
	await certificate("server", "ca");
	await certificate("client", "ca");
	[tlsPort] = (await freePorts(1)) as [number];
	broker = await startBroker({
		config: [
			`listeners.ssl.default = 127.0.0.1:${tlsPort}`,
			`ssl_options.cacertfile = ${file("ca.pem")}`,
			`ssl_options.certfile = ${file("server.pem")}`,
			`ssl_options.keyfile = ${file("server.key")}`,
			"ssl_options.verify = verify_peer",
			"ssl_options.fail_if_no_peer_cert = true",
		],
	});
	await broker.ctl("add_vhost", "relay/test");
	await broker.ctl("add_user", "relay", "p@ss:word/1");
	await broker.ctl("set_permissions", "-p", "relay/test", "relay", ".*", ".*", ".*");
}, 90_000);
afterAll(async () => {
	await broker?.remove();
	if (folder) await rm(folder, { recursive: true });
});
afterEach(async () => {
	await lab?.close();
	lab = undefined;
});

async function reach(options: Partial<AmqpOptions>): Promise<AmqpLab> {
	lab = createAmqpLab(
		await readAmqpSettings({
			amqpUrl: broker.url,
			amqpPasswordFile: "",
			amqpCaFile: "",
			amqpCertFile: "",
			amqpKeyFile: "",
			amqpHeartbeatS: 10,
			amqpFrameMaxBytes: 131_072,
			...options,
		}),
	);
	return lab;
}

async function call(own: AmqpLab): Promise<void> {
	await own.serve(createCarrierLab());
	expect((await own.client().client.unary({ text: "there" })).text).toBe("there");
	expect(own.faults).toEqual([]);
}

const own = { amqpCaFile: "ca.pem", amqpCertFile: "client.pem", amqpKeyFile: "client.key" };
function tls(files: Partial<typeof own>): Partial<AmqpOptions> {
	const paths = Object.entries(files).map(([option, name]) => [option, file(name)]);
	return { amqpUrl: `amqps://guest:guest@localhost:${tlsPort}`, ...Object.fromEntries(paths) };
}

describe.skipIf(!brokerInstalled)("a broker is reached", () => {
	test("over TLS, each side with a certificate that the other one's authority has signed", async () => {
		await call(await reach(tls(own)));
	});

	test("over TLS, where its certificate is for its address", async () => {
		await call(await reach({ ...tls(own), amqpUrl: `amqps://guest:guest@127.0.0.1:${tlsPort}` }));
	});

	test("over TLS, where its authority is one of several in a file, and one's certificate and key are in the same", async () => {
		const together = async (name: string, ...names: string[]) =>
			writeFile(file(name), (await Promise.all(names.map((part) => readFile(file(part))))).join("a comment\n"));
		await together("authorities.pem", "other-ca.pem", "ca.pem");
		await together("both.pem", "client.key", "client.pem");
		await call(await reach(tls({ amqpCaFile: "authorities.pem", amqpCertFile: "both.pem", amqpKeyFile: "both.pem" })));
	});

	test("not with a certificate and the key of another one, nor without its key", async () => {
		const other = reach(tls({ ...own, amqpKeyFile: "server.key" }));
		await expect(other).rejects.toThrow(`AMQP_KEY_FILE is ${file("server.key")}. Expected a file with the private key`);
		const without = reach(tls({ amqpCertFile: "client.pem" }));
		await expect(without).rejects.toThrow(`AMQP_CERT_FILE is ${file("client.pem")}, and AMQP_KEY_FILE is not set`);
	});

	test("not over TLS where it is not the one that was meant, nor without a certificate of one's own", async () => {
		for (const files of [{ ...own, amqpCaFile: "other-ca.pem" }, { amqpCaFile: "ca.pem" }]) {
			const refused = await reach(tls(files));
			const { client } = refused.client();
			expect((await failure(client.unary({}, { timeoutMs: 500 }))).code).toBe(Code.DeadlineExceeded);
			await eventually(() => refused.faults.length > 0);
			expect(refused.faults[0]).toContain(`no connection to the broker at localhost:${tlsPort}`);
			await refused.close();
		}
	});

	test("in a virtual host with a slash in its name, with a password of any signs from a file", async () => {
		await writeFile(file("password"), "p@ss:word/1\n");
		const amqpUrl = `amqp://relay@127.0.0.1:${broker.port}/relay%2Ftest`;
		await call(await reach({ amqpUrl, amqpPasswordFile: file("password") }));
		expect(await broker.ctl("list_queues", "-p", "relay/test", "name")).toContain(lab!.queue);
	});

	test("on the one of several hosts that is there", async () => {
		const several = await reach({ amqpUrl: `amqp://127.0.0.1:1,amqp://guest:guest@localhost:2,${broker.url}` });
		await several.serve(createCarrierLab());
		expect((await several.client().client.unary({ text: "there" })).text).toBe("there");
		expect(several.faults.some((fault) => fault.includes("127.0.0.1:1"))).toBe(true);
	});

	test("with frames of 8,192 bytes: messages are larger, headers are not, and one that tries harms no other call", async () => {
		const small = await reach({ amqpFrameMaxBytes: 8192 });
		await small.serve(createCarrierLab());
		const { client, connection } = small.client();
		const body = new Uint8Array(500_000).fill(7);
		expect((await client.unary({ body })).body).toEqual(body);
		const asked = (bytes: number) => client.unary({}, { headers: { "x-asked": "x".repeat(bytes) } });
		const others = Promise.all(Array.from({ length: 50 }, () => client.unary({ text: "other" })));
		const error = await failure(asked(8_000));
		expect(error.code).toBe(Code.ResourceExhausted);
		expect(await others).toHaveLength(50);
		// As a header and as a trailer it comes back, and so twice: that is too much for one answer, and is said.
		expect((await failure(asked(5_000))).code).toBe(Code.ResourceExhausted);
		await asked(3_000);
		expect(connection.counters).toMatchObject({ reconnects: 0, channelsClosed: 0 });
		expect(small.faults).toEqual([]);
	});
});
