// Whether the broker refuses us as we are set, told from what the client library says of a failed opening.
import { Refusal } from "../refusal.ts";
import type { AmqpHost } from "./settings.ts";

/**
 * `undefined` where a further attempt may end better. The library has no codes for it: it tells a refused login by the
 * broker's own word, and a refused virtual host only by the close that came in place of what it waited for.
 */
export function refusedBy({ hostname, port, username, vhost }: AmqpHost, error: Error): Refusal | undefined {
	const broker = `the broker at ${hostname}:${port}`;
	if (error.message.includes("ACCESS_REFUSED"))
		return new Refusal(`${broker} refuses the login of ${username}: see AMQP_URL and AMQP_PASSWORD_FILE`);
	if (/^Expected ConnectionOpenOk; got <ConnectionClose\b/.test(error.message))
		return new Refusal(`${broker} does not let ${username} use the virtual host ${vhost}: see AMQP_URL`);
	return undefined;
}
