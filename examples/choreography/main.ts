// Choreography, in one command: every service as a process, told by one event that holds nothing but a SKU's id.
import { createProgram, type Options } from "../warehouse/options.ts";
import { play } from "../warehouse/play.ts";

await createProgram("choreography")
	.option(
		"--queues <services>",
		"services that the inventory tells by name, with commas between; none: the exchange",
		"",
	)
	.option("--once", "end when nothing happens any more", false)
	.action(({ queues, once, ...options }: Options & { readonly queues: string; readonly once: boolean }) =>
		play({ style: "choreography", options, inventoryWords: [`--queues=${queues}`], once, more: () => ({}) }),
	)
	.parseAsync();
