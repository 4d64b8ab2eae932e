// Which tests run where. `*.node.test.ts` are tied to Node and say why in their first line; `*.amqp.test.ts` need a RabbitMQ.
import { configDefaults, defineConfig } from "vitest/config";

const onDeno = "Deno" in globalThis;
const needsBroker = "test/**/*.amqp.test.ts";
const exclude = [...configDefaults.exclude, ...(onDeno ? ["**/*.node.test.ts"] : [])];
/** What is waited for comes at once, or never: the time is a busy machine's. */
const timeouts = { testTimeout: 60_000, hookTimeout: 60_000, expect: { poll: { timeout: 20_000 } } };

export default defineConfig({
	test: {
		// Most of the time goes into waiting for processes, also on two cores.
		maxWorkers: 3,
		projects: [
			{ test: { name: "relay", include: ["test/**/*.test.ts"], exclude: [...exclude, needsBroker], ...timeouts } },
			{
				test: {
					name: "amqp",
					include: [needsBroker],
					exclude,
					globalSetup: "test/amqp/setup.ts",
					...timeouts,
				},
			},
		],
	},
});
