// Plays a choreography with the options in its first argument; with a second one, there is something that cannot be shown.
import { play } from "../../examples/warehouse/play.ts";

const [options = "", unreadable] = process.argv.slice(2);
await play({
	style: "choreography",
	options: JSON.parse(options),
	inventoryWords: [],
	once: true,
	more() {
		if (unreadable !== undefined) throw new Error(unreadable);
		return {};
	},
});
