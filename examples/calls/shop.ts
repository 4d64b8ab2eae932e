// A service that has its users' tokens verified, as a process: makes as many calls as each line asks for.
import { answerLines } from "./lines.ts";
import { type Load, runLoad } from "./load.ts";
import { startMeter } from "./meter.ts";
import { type WayName, ways } from "./ways.ts";

export interface ShopRequest extends Load {
	readonly token: string;
}

const read = startMeter();
const [name, address] = process.argv.slice(2);
const identity = await ways[name as WayName].connect(address!);
await answerLines(async ({ token, ...load }: ShopRequest) => {
	const before = read();
	const result = await runLoad(load, () => identity.verifyToken(token));
	const after = read();
	return {
		...result,
		sentBytes: after.sentBytes - before.sentBytes,
		receivedBytes: after.receivedBytes - before.receivedBytes,
		cpuUs: after.cpuUs - before.cpuUs,
	};
});
await identity.close();
