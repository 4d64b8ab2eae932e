// The files that the settings about the broker name: each is read and looked at before anything is tried with it.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Refusal } from "../refusal.ts";

/** Each undefined where the path is empty; throws a Refusal where the file is not what its setting is for. */
export async function readPassword(path: string): Promise<string | undefined> {
	return read("AMQP_PASSWORD_FILE", path, "a file with a password", (content) => {
		const password = content.toString().trim();
		if (password === "") throw new Error("it is empty");
		return password;
	});
}

export async function readCertificates(setting: string, path: string): Promise<Buffer | undefined> {
	return read(setting, path, "a file with one certificate or more, PEM", (content) => {
		if (certificatesIn(content).length === 0) throw new Error("there is none in it");
		return content;
	});
}

/** `cert`: what the key is to be the key of. */
export async function readKey(path: string, cert: Buffer | undefined): Promise<Buffer | undefined> {
	const expected = "a file with the private key of the certificate in AMQP_CERT_FILE, PEM, without a passphrase";
	return read("AMQP_KEY_FILE", path, expected, (content) => {
		const block = content.toString("latin1").match(privateKey)?.[0];
		if (block === undefined) throw new Error("there is none in it");
		const key = createPrivateKey(block);
		if (cert === undefined) throw new Error("no certificate is set");
		if (!certificatesIn(cert)[0]!.checkPrivateKey(key)) throw new Error("it is that of another certificate");
		return content;
	});
}

// What stands between such blocks is ignored, as TLS ignores it.
const certificates = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----.*?-----END \1-----/gs;
const privateKey = /-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----.*?-----END \1-----/s;

function certificatesIn(content: Buffer): X509Certificate[] {
	return (content.toString("latin1").match(certificates) ?? []).map((block) => new X509Certificate(block));
}

async function read<T>(
	setting: string,
	path: string,
	expected: string,
	take: (content: Buffer) => T,
): Promise<T | undefined> {
	if (path === "") return undefined;
	try {
		return take(await readFile(path));
	} catch (error) {
		throw new Refusal(`${setting} is ${path}. Expected ${expected}: ${(error as Error).message}`);
	}
}
