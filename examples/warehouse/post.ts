// Sends the mails that are written down, each until it has been handed over, so that nobody has to wait for a mail server.
import type { Clock } from "../../src/clock.ts";
import type { Database } from "./database.ts";
import type { Mail, Mailer } from "./mail.ts";

export interface Post {
	/** Mails were written down. */
	wake(): void;
	close(): Promise<void>;
}

export interface PostOptions {
	readonly database: Database;
	readonly mailer: Mailer;
	readonly clock: Clock;
	readonly onFault: (error: unknown, what: string) => void;
}

/** Mails that are read from the database at a time: those that failed least come first. */
const batchMax = 100;
/** A mail that was refused so often, in half an hour or more, is left for a person. */
const attemptsMax = 40;
const pauseMinMs = 100;
const pauseMaxMs = 60_000;

export function createPost({ database: { sql }, mailer, clock, onFault }: PostOptions): Post {
	const unsent = sql.prepare(`SELECT id, user, email, sku FROM mails
		WHERE sent_ms IS NULL AND attempts < ${attemptsMax} ORDER BY attempts LIMIT ${batchMax}`);
	const sent = sql.prepare("UPDATE mails SET sent_ms = ? WHERE id = ?");
	const failed = sql.prepare("UPDATE mails SET attempts = attempts + 1 WHERE id = ?");
	const closing = new AbortController();
	let wake = () => {};

	/** It is sent twice only where the process ends between the handing over and the note; its id is then the same. */
	async function send(mail: Mail): Promise<boolean> {
		try {
			await mailer(mail);
		} catch (error) {
			failed.run(mail.id);
			onFault(error, `the mail to ${mail.email} was not taken; it is tried again`);
			return false;
		}
		sent.run(Math.round(clock.now()), mail.id);
		return true;
	}

	async function run(): Promise<void> {
		let failures = 0;
		while (!closing.signal.aborted) {
			const woken = new Promise<void>((resolve) => {
				wake = resolve;
			});
			const mails = unsent.all() as unknown as Mail[];
			if (mails.length === 0) {
				await woken;
				continue;
			}
			let taken = true;
			for (const mail of mails) if (!closing.signal.aborted) taken = (await send(mail)) && taken;
			failures = taken ? 0 : failures + 1;
			if (!taken)
				await clock.sleep(Math.min(pauseMinMs * 2 ** failures, pauseMaxMs), closing.signal).catch(() => {
					// Closed while it paused: the mails are still written down.
				});
		}
	}

	const running = run();
	return {
		wake: () => wake(),
		close() {
			closing.abort();
			wake();
			return running;
		},
	};
}
