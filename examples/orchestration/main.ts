// Orchestration, in one command: every service as a process, told what to do by the inventory.
import { read } from "../warehouse/final-state.ts";
import { createProgram, type Options } from "../warehouse/options.ts";
import { play } from "../warehouse/play.ts";

await createProgram("orchestration")
	.option("--once", "end when nothing happens any more", false)
	.action(({ once, ...options }: Options & { readonly once: boolean }) =>
		play({ style: "orchestration", options, inventoryWords: [], once, more: reports }),
	)
	.parseAsync();

/** What the inventory knows of each report: nobody could say so in the choreography. */
function reports(data: string): Record<string, string> {
	const rows = read(data, "inventory", "SELECT report_id AS id, state FROM sagas ORDER BY seq DESC LIMIT 100");
	return Object.fromEntries(rows.map(({ id, state }) => [`inventory: report ${id}`, String(state)]));
}
