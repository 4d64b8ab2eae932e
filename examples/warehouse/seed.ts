// What the services know before the first report: which SKUs the catalog has given up, and who wishes for what.
import { readFile } from "node:fs/promises";
import { Refusal } from "../../src/refusal.ts";
import type { Wish } from "./user.ts";

export interface Seed {
	readonly discontinued: readonly string[];
	readonly wishlists: readonly Wish[];
}

export async function readSeed(path: string): Promise<Seed> {
	const { discontinued, wishlists } = JSON.parse(await readFile(path, "utf8")) as Partial<Seed>;
	if (!Array.isArray(discontinued) || !Array.isArray(wishlists))
		throw new Refusal(`${path} is to have the lists "discontinued" and "wishlists"`);
	return { discontinued, wishlists };
}
