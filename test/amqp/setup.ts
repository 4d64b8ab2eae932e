// Starts the broker that the tests of the amqp project share, and says it loudly when there is none.
import { brokerInstalled, startBroker } from "./broker.ts";

export default async function setUp(): Promise<(() => Promise<void>) | undefined> {
	if (!brokerInstalled) {
		if (process.env.PAYRELAY_REQUIRE_ALL === "1")
			throw new Error("no rabbitmq-server is installed, and nothing may be skipped");
		process.stderr.write("\n!! No rabbitmq-server is installed: every test that needs a broker is SKIPPED.\n\n");
		return undefined;
	}
	const broker = await startBroker();
	process.env.PAYRELAY_TEST_AMQP_URL = broker.url;
	return broker.remove;
}
