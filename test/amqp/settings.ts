// How the tests reach a broker.
import type { AmqpSettings } from "../../src/amqp/settings.ts";
import { parseAmqpUrl } from "../../src/amqp/settings.ts";

/** `url`: one or several, separated by commas. */
export function amqpSettings(url: string): AmqpSettings {
	return { hosts: url.split(",").map(parseAmqpUrl), tls: {}, heartbeatS: 10, frameMaxBytes: 131_072 };
}
