// Where the broker is and how to speak with it, from its URLs and the files that hold what is secret.
import { Refusal } from "../refusal.ts";
import { readCertificates, readKey, readPassword } from "./setting-files.ts";

export interface AmqpHost {
	readonly protocol: "amqp" | "amqps";
	readonly hostname: string;
	readonly port: number;
	readonly username: string;
	readonly password: string;
	readonly vhost: string;
}

export interface AmqpSettings {
	/** Nodes of one cluster; each further attempt to connect goes to the next. */
	readonly hosts: readonly AmqpHost[];
	readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
	/** A peer that was silent for twice as long is taken for gone, s. */
	readonly heartbeatS: number;
	/** The largest frame, bytes; a message may take several. RabbitMQ 4.1 wants 8,192 at least. */
	readonly frameMaxBytes: number;
}

/** Of one node. */
export const amqpUrlForm = "amqp[s]://[user[:password]@]host[:port][/vhost]";

export interface AmqpOptions {
	/** In the form above, several separated by commas. */
	readonly amqpUrl: string;
	/** Files, each empty for none. */
	readonly amqpPasswordFile: string;
	readonly amqpCaFile: string;
	readonly amqpCertFile: string;
	readonly amqpKeyFile: string;
	readonly amqpHeartbeatS: number;
	readonly amqpFrameMaxBytes: number;
}

const defaultPorts = { amqp: 5672, amqps: 5671 };

/** What is left out is as the relay's own settings have it. Rejects with a Refusal that names the setting that is wrong. */
export async function readAmqpSettings({
	amqpUrl,
	amqpPasswordFile = "",
	amqpCaFile = "",
	amqpCertFile = "",
	amqpKeyFile = "",
	amqpHeartbeatS = 10,
	amqpFrameMaxBytes = 131_072,
}: Pick<AmqpOptions, "amqpUrl"> & Partial<AmqpOptions>): Promise<AmqpSettings> {
	const [password, ca, cert] = await Promise.all([
		readPassword(amqpPasswordFile),
		readCertificates("AMQP_CA_FILE", amqpCaFile),
		readCertificates("AMQP_CERT_FILE", amqpCertFile),
	]);
	const key = await readKey(amqpKeyFile, cert);
	if (cert !== undefined && key === undefined)
		throw new Refusal(`AMQP_CERT_FILE is ${amqpCertFile}, and AMQP_KEY_FILE is not set. Expected its key there.`);
	const hosts = amqpUrl.split(",").map((url) => parseAmqpUrl(url.trim()));
	return {
		hosts: password === undefined ? hosts : hosts.map((host) => ({ ...host, password })),
		tls: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) },
		heartbeatS: amqpHeartbeatS,
		frameMaxBytes: amqpFrameMaxBytes,
	};
}

export function parseAmqpUrl(text: string): AmqpHost {
	const host = amqpHostOf(text);
	if (!host) throw new Refusal(`AMQP_URL is to be ${amqpUrlForm}`);
	return host;
}

/** Undefined where the text does not have the form. */
export function amqpHostOf(text: string): AmqpHost | undefined {
	const url = URL.canParse(text) ? new URL(text) : undefined;
	const protocol = url?.protocol.slice(0, -1);
	if (!url || (protocol !== "amqp" && protocol !== "amqps") || url.hostname === "" || url.search !== "")
		return undefined;
	try {
		return {
			protocol,
			hostname: url.hostname.replace(/^\[|\]$/g, ""),
			port: url.port === "" ? defaultPorts[protocol] : Number(url.port),
			username: url.username === "" ? "guest" : decodeURIComponent(url.username),
			password: url.username === "" ? "guest" : decodeURIComponent(url.password),
			vhost: url.pathname.length > 1 ? decodeURIComponent(url.pathname.slice(1)) : "/",
		};
	} catch (error) {
		// A percent sign that encodes nothing.
		if (error instanceof URIError) return undefined;
		throw error;
	}
}
