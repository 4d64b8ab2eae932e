// How the tests reach a broker.
import type { AmqpOptions, AmqpSettings } from "../../src/amqp/settings.ts";
import { parseAmqpUrl } from "../../src/amqp/settings.ts";

/** `url`: one or several, separated by commas. */
export function amqpSettings(url: string): AmqpSettings {
	return { hosts: url.split(",").map(parseAmqpUrl), tls: {}, heartbeatS: 10, frameMaxBytes: 131_072 };
}

/** The settings of a service about a broker, as they are where none is used. */
export const noBroker = {
	carrier: "http2",
	events: "off",
	amqpUrl: "amqp://127.0.0.1:5672",
	amqpPasswordFile: "",
	amqpCaFile: "",
	amqpCertFile: "",
	amqpKeyFile: "",
	amqpHeartbeatS: 10,
	amqpFrameMaxBytes: 131_072,
	amqpNamespace: "payrelay",
	amqpConcurrency: 256,
} as const satisfies AmqpOptions & Record<string, string | number>;
