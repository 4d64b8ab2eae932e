// Other servers that a scenario is measured on as well, in the same run as the relay: a figure alone says little.
import { InvalidArgumentError } from "commander";
import { columns } from "./report.ts";
import type { Figure, ScenarioResult } from "./results.ts";

/** A server with the challenge's API that runs already. */
export interface Rival {
	readonly url: string;
	/** Its processors as the bench reaches them; absent: where simulators listen by default. */
	readonly defaultUrl?: string;
	readonly fallbackUrl?: string;
}

/** What the relay itself is called among them. */
export const relayName = "relay";

export type Rivals = Readonly<Record<string, Rival>>;

/** `NAME=URL`, or `NAME=URL,DEFAULT_URL,FALLBACK_URL`, added to those before. */
export function parseRival(text: string, before: Rivals): Rivals {
	const at = text.indexOf("=");
	const name = text.slice(0, at);
	if (name === relayName) throw new InvalidArgumentError("Expected another name: that is the relay's own.");
	const [url, defaultUrl, fallbackUrl, ...more] = text.slice(at + 1).split(",");
	if (at < 1 || !url || more.length > 0 || (defaultUrl && !fallbackUrl))
		throw new InvalidArgumentError("Expected NAME=URL or NAME=URL,DEFAULT_URL,FALLBACK_URL.");
	const processors = defaultUrl && fallbackUrl ? { defaultUrl, fallbackUrl } : {};
	return { ...before, [name]: { url, ...processors } };
}

/** The figures of the relay beside those of the others, with their ratio to it. */
export function compare(relay: ScenarioResult, rivals: Readonly<Record<string, ScenarioResult>>): string[] {
	const names = Object.keys(rivals);
	const head = ["", "unit", relayName, ...names, ...names.map((name) => `relay / ${name}`)];
	const lines = relay.figures.map(({ name, unit, value }) => {
		const values = names.map((rival) => rivals[rival]!.figures.find((one) => one.name === name)?.value);
		return [name, unit, tell(value), ...values.map(tell), ...values.map((other) => ratio(value, other))];
	});
	const broken = [relay, ...names.map((name) => rivals[name]!)].map(({ violations }) => String(violations.length));
	return columns([head, ...lines, ["broken promises", "", ...broken, ...names.map(() => "-")]]);
}

function tell(value: Figure["value"] | undefined): string {
	return String(value ?? "-");
}

function ratio(own: Figure["value"], other: Figure["value"] | undefined): string {
	return typeof own === "number" && typeof other === "number" && other !== 0 ? (own / other).toFixed(2) : "-";
}
