// The supervisor on a machine that has nothing left to make a process of, for a while. On Node only: what is thrown there, what
// is told by an event, and with which pipes, is Node's.
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";

const urlOf = (path: string) => JSON.stringify(new URL(path, import.meta.url));

/** Supervises a service that ends once, when there is nothing left; that comes back when it has missed it twice. */
const script = `
	import { closeSync, openSync } from "node:fs";
	import { PassThrough } from "node:stream";
	import { systemClock } from ${urlOf("../src/clock.ts")};
	import { supervise } from ${urlOf("../src/supervisor.ts")};

	const taken = [];
	let env = {};
	const wants = {
		descriptors: {
			begin() {
				try {
					for (;;) taken.push(openSync("/dev/null"));
				} catch {
					// That was the last one.
				}
			},
			end: () => taken.forEach(closeSync),
		},
		// More than the system takes for a process. Of memory Node tells in the same way.
		room: {
			begin() {
				env = { LONG: "x".repeat(1_000_000) };
			},
			end() {
				env = {};
			},
		},
	};
	const want = wants[process.argv[1]];

	let failures = 0;
	const log = {
		warn() {
			if (failures === 0) want.begin();
		},
		error({ err }) {
			console.log(err.code);
			if (++failures === 2) want.end();
		},
	};
	const logLines = new PassThrough();
	logLines.once("data", () => supervisor.stop());
	const service = {
		name: "cache",
		get command() {
			return [process.execPath, "-e", failures === 0
				? "console.log('ready')"
				: "console.error('again'); process.stdin.resume();"];
		},
		get env() {
			return env;
		},
	};
	const groups = [[service]];
	const supervisor = supervise({ groups, clock: systemClock, log, say() {}, logLines, stopMs: 5_000, startMs: 60_000 });
	console.log(await supervisor.stopped);
`;

test.each([
	["descriptors", "EMFILE"],
	["room", "E2BIG"],
])("a service that cannot be started again for want of %s is started when there are some", async (want, code) => {
	const command = `ulimit -n 64; exec "$0" --input-type=module -e "$1" "$2"`;
	const child = spawn("sh", ["-c", command, process.execPath, script, want], { stdio: ["ignore", "pipe", "inherit"] });
	expect((await text(child.stdout)).trim().split("\n")).toEqual([code, code, "told"]);
});
