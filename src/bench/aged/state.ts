// What each measurement of the scenario `aged` is given, and where its figures and faults go.
import type { Prefill } from "../prefill.ts";
import type { Random } from "../random.ts";
import { type Figure, figure } from "../results.ts";
import type { Target } from "../target.ts";

/** One state of one folder, as found. */
export interface State {
	readonly name: string;
	readonly past: Prefill;
	readonly folder: string;
	readonly figures: Figure[];
	readonly violations: string[];
}

export interface Running {
	readonly target: Target;
	readonly state: State;
	readonly random: Random;
	readonly tell: (text: string) => void;
	readonly signal: AbortSignal;
}

export function addFigure({ figures }: State, name: string, value: number | undefined, unit: string): void {
	figures.push(figure(name, value, unit, 2));
}
