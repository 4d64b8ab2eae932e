// What was acknowledged is at the relay: each that is not is told of.
import type { Target } from "../target.ts";

export async function lookUp({ relay }: Pick<Target, "relay">, acknowledged: readonly string[]): Promise<string[]> {
	const lost: string[] = [];
	for (const id of acknowledged) {
		const told = await relay.describe(id);
		if (!told.startsWith("200 ")) lost.push(`${id} was acknowledged; the relay says: ${told}`);
	}
	return lost;
}
