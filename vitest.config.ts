// Which tests run where: those named `*.node.test.ts` are tied to Node, and say why in their first line.
import { configDefaults, defineConfig } from "vitest/config";

const onDeno = "Deno" in globalThis;

export default defineConfig({
	test: {
		include: ["test/**/*.test.ts"],
		exclude: [...configDefaults.exclude, ...(onDeno ? ["**/*.node.test.ts"] : [])],
		testTimeout: 20_000,
		hookTimeout: 30_000,
	},
});
