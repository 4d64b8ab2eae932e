// The identity service as a process: serves one way, and tells what it has used so far whenever a line comes.
import { answerLines } from "./lines.ts";
import { startMeter } from "./meter.ts";
import { secretVariable, verifyToken } from "./token.ts";
import { type WayName, ways } from "./ways.ts";

const read = startMeter();
const [name, at] = process.argv.slice(2);
const secret = process.env[secretVariable];
if (secret === undefined) throw new Error(`${secretVariable} is not set`);
const served = await ways[name as WayName].serve((token) => verifyToken(secret, token, Date.now()), at!);
await answerLines(async () => ({ address: served.address, ...read() }));
await served.close();
