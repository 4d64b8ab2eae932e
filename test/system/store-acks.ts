// A process with a store of its own that accepts payments and tells on standard output which ones it acknowledges.
import { createStore } from "../../src/cache/store/group-commit.ts";
import { openSqliteRows } from "../../src/cache/store/sqlite/rows.ts";
import { systemClock } from "../../src/clock.ts";
import { idOf } from "../cache/store/payments.ts";
import { storeSettings } from "../cache/store/store-settings.ts";

const [folder, from] = process.argv.slice(2) as [string, string];
const store = createStore(await openSqliteRows(folder), { ...storeSettings, queueMax: 1e6 }, { clock: systemClock });
const callers = 8;
let next = Number(from);

async function call(): Promise<never> {
	for (;;) {
		const n = next++;
		const [outcome] = await store.enqueue([{ id: idOf(n), amountCents: BigInt(n) }]);
		if (outcome === "accepted") process.stdout.write(`${n}\n`);
	}
}

await Promise.all(Array.from({ length: callers }, call));
