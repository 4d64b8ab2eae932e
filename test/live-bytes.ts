import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Of the heap, without garbage. */
export function liveBytes(): number {
	setFlagsFromString("--expose-gc");
	runInNewContext("gc")();
	return process.memoryUsage().heapUsed;
}
