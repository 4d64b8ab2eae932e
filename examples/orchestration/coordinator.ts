// Carries the sagas out: each command with a time limit, again within a bound, and back where one fails for good.
import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../../src/clock.ts";
import type { Database } from "../warehouse/database.ts";
import type { Inventory, Stock } from "../warehouse/inventory.ts";
import type { Clients } from "./clients.ts";
import type { PlannedCommand } from "./plan.ts";
import type { Command, Saga, SagaStore } from "./saga-store.ts";

export interface CoordinatorBounds {
	/** Sagas that are carried out at a time; of each SKU one. */
	readonly sagasMax: number;
	readonly commandTimeoutMs: number;
	/** Attempts of a command, over all lives of this process. */
	readonly attemptsMax: number;
	/** Attempts of a command that takes something back: there is no other way out. */
	readonly takeBackAttemptsMax: number;
	readonly pauseMinMs: number;
	readonly pauseMaxMs: number;
}

/** A service may be away for about a minute and a half before what it was to do is taken back. */
export const coordinatorBounds: CoordinatorBounds = {
	sagasMax: 16,
	commandTimeoutMs: 5_000,
	attemptsMax: 15,
	takeBackAttemptsMax: 150,
	pauseMinMs: 50,
	pauseMaxMs: 2_000,
};

export interface CoordinatorOptions {
	readonly database: Database;
	readonly inventory: Inventory;
	readonly store: SagaStore;
	/** All that may stand in a saga. */
	readonly commands: readonly PlannedCommand[];
	readonly clients: Clients;
	readonly clock: Clock;
	readonly onFault: (error: unknown, what: string) => void;
	readonly bounds: CoordinatorBounds;
}

export interface Coordinator {
	/** There may be something to do. */
	wake(): void;
	/** Leaves what is unfinished to the next start. */
	close(): Promise<void>;
}

/** What a command that takes another back is called. */
const again = ", again";

export function createCoordinator(options: CoordinatorOptions): Coordinator {
	const { database, inventory, store, commands, clients, clock, onFault, bounds } = options;
	const closing = new AbortController();
	const running = new Map<number, Promise<void>>();

	function wake(): void {
		if (closing.signal.aborted || running.size >= bounds.sagasMax) return;
		for (const saga of store.next(bounds.sagasMax)) {
			if (running.size >= bounds.sagasMax) return;
			if (running.has(saga.seq)) continue;
			const work = carryOut(saga)
				.catch((error) => {
					if (!closing.signal.aborted) throw error;
				})
				.finally(() => {
					running.delete(saga.seq);
					wake();
				});
			running.set(saga.seq, work);
		}
	}

	async function carryOut(saga: Saga): Promise<void> {
		let { stock } = saga;
		for (const command of store.commands(saga.seq)) {
			if (command.state !== "pending") continue;
			const planned = commands.find(({ name }) => name === command.name.replace(again, ""));
			if (planned === undefined) throw new Error(`there is no command "${command.name}"`);
			const outcome = await perform(planned, command, saga, stock);
			if (outcome instanceof Failure) return giveUp(saga, command, outcome);
			stock = outcome ?? stock;
			const known = stock;
			database.transaction(() => {
				store.end(command, "done", "");
				store.learn(saga.seq, known);
			});
		}
		store.enter(saga.seq, saga.state === "compensating" ? "compensated" : "done");
	}

	/** Until it is done, refused, or was tried too often. */
	async function perform(planned: PlannedCommand, command: Command, saga: Saga, stock: Stock) {
		const facts = { key: `${saga.reportId}:${command.position}`, sku: saga.sku, stock };
		const attemptsMax = saga.state === "compensating" ? bounds.takeBackAttemptsMax : bounds.attemptsMax;
		for (let attempts = command.attempts + 1; ; attempts++) {
			// On disk before it is sent: whatever happens now, it may have been done.
			store.attempt(command);
			try {
				return await planned.send(clients, facts, { timeoutMs: bounds.commandTimeoutMs, signal: closing.signal });
			} catch (error) {
				closing.signal.throwIfAborted();
				const { code, message } = ConnectError.from(error);
				store.note(command, message);
				if (refusals.has(code)) return new Failure(message, false);
				if (attempts >= attemptsMax) return new Failure(message, true);
			}
			await clock.sleep(Math.min(bounds.pauseMinMs * 2 ** (attempts - 1), bounds.pauseMaxMs), closing.signal);
		}
	}

	function giveUp(saga: Saga, failed: Command, { message, inDoubt }: Failure): void {
		onFault(new Error(message), `"${failed.name}" of report ${saga.reportId} failed`);
		const takenBack = store
			.commands(saga.seq)
			.filter(({ position }) => position < failed.position || (inDoubt && position === failed.position))
			.filter(({ name }) => commands.some((planned) => planned.name === name && planned.takesBack));
		database.transaction(() => {
			store.end(failed, "failed", message);
			store.drop(saga.seq);
			if (saga.state === "compensating") return store.enter(saga.seq, "failed");
			inventory.withdraw(saga.reportId);
			store.append(
				saga.seq,
				takenBack.map(({ name }) => name + again),
			);
			store.enter(saga.seq, "compensating");
		});
	}

	wake();
	return {
		wake,
		async close() {
			closing.abort();
			await Promise.all(running.values());
		},
	};
}

/** To send the command again is of no use. */
const refusals: ReadonlySet<Code> = new Set([Code.FailedPrecondition, Code.InvalidArgument, Code.Unimplemented]);

class Failure {
	readonly message: string;
	/** Whether it may have been done all the same. */
	readonly inDoubt: boolean;

	constructor(message: string, inDoubt: boolean) {
		this.message = message;
		this.inDoubt = inDoubt;
	}
}
