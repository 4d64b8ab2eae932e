import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Of the heap, without garbage. On Node only. */
export function liveBytes(): number {
	setFlagsFromString("--expose-gc");
	runInNewContext("gc")();
	return process.memoryUsage().heapUsed;
}
