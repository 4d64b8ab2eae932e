// Takes reports from a watched folder: each file is one report as JSON, and is moved aside once it is taken or refused.
import { mkdir, readdir, readFile, rename, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import type { Clock } from "../../src/clock.ts";
import { checkReport, InvalidReport, type TakeReport } from "./report.ts";

export interface WatchedFolder {
	close(): Promise<void>;
}

export interface FolderOptions {
	readonly folder: string;
	readonly take: TakeReport;
	readonly clock: Clock;
	readonly onFault: (error: unknown, what: string) => void;
}

/**
 * The folder is read so often, ms, instead of asking the system to tell of changes: a warehouse's folder may be on another
 * machine, and there nobody is told.
 */
const scanMs = 100;
/** Files that are looked at in one scan. */
const filesMax = 100;
const fileMaxBytes = 64 * 1024;

export async function watchFolder({ folder, take, clock, onFault }: FolderOptions): Promise<WatchedFolder> {
	const closing = new AbortController();
	await Promise.all(["done", "refused"].map((name) => mkdir(join(folder, name), { recursive: true })));
	/** What each file was like when it was last seen. One that has changed since is still being written. */
	let seen = new Map<string, string>();

	async function scan(): Promise<void> {
		const names = (await readdir(folder)).filter((name) => extname(name) === ".json").slice(0, filesMax);
		const now = new Map<string, string>();
		for (const name of names) {
			const { size, mtimeMs } = await stat(join(folder, name));
			const look = `${size} ${mtimeMs}`;
			if (seen.get(name) === look) await takeFile(name, size);
			else now.set(name, look);
		}
		seen = now;
	}

	async function takeFile(name: string, size: number): Promise<void> {
		try {
			if (size > fileMaxBytes) throw new InvalidReport(`has more than ${fileMaxBytes} bytes`);
			take(checkReport(parse(await readFile(join(folder, name), "utf8"))));
		} catch (error) {
			if (!(error instanceof InvalidReport)) throw error;
			onFault(error, `${name} is refused`);
			return rename(join(folder, name), join(folder, "refused", name));
		}
		// Where the process ends before this, the report is told again, and is known.
		return rename(join(folder, name), join(folder, "done", name));
	}

	async function watch(): Promise<void> {
		let failed = false;
		while (!closing.signal.aborted) {
			try {
				await scan();
				failed = false;
			} catch (error) {
				if (!failed) onFault(error, "the watched folder cannot be read; it is tried again");
				failed = true;
			}
			await clock.sleep(scanMs, closing.signal).catch(() => {
				// Closed while it paused.
			});
		}
	}

	const watching = watch();
	return {
		close() {
			closing.abort();
			return watching;
		},
	};
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch (cause) {
		throw new InvalidReport("is not JSON", { cause });
	}
}
