// Why a connection could not be opened, told from what the client library says: whether the broker refuses us as we are set.
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

/** The error, in words where its own say little. Trying again may help: the broker may be starting with other settings. */
export function inWords({ hostname, port }: AmqpHost, error: Error): Error {
	if ((error as NodeJS.ErrnoException).code !== "ERR_SSL_WRONG_VERSION_NUMBER") return error;
	return new Error(`port ${port} of ${hostname} does not speak TLS: see the port and the amqps in AMQP_URL`, {
		cause: error,
	});
}
