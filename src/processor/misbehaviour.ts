// How a simulated processor misbehaves on request: which modes there are, and the settings of each.
//
// `PUT /admin/configurations/misbehaviour` (with the token, like all of /admin) takes
//
//   {"mode": …, "probability": 1, "delay": 0, "status": 503, "body": "…", "bytes": 67108864, "reset": false, "on": "charge"}
//
// where everything but the mode may be left out. It applies to each request with that probability, after the configured
// delay and the failure switch, in the place of the insert and the answer:
//
//   none                 as the contract says
//   cut                  nothing charged, the line cut without an answer
//   charge_then_cut      charged, the line cut without an answer
//   cut_then_charge      the line cut at once, charged `delay` ms later
//   charge_after         charged and answered only `delay` ms later, when the caller's time-out may have passed
//   error_after_charge   charged, answered 500 with a body
//   error_then_charge    answered 500 with a body at once, charged `delay` ms later
//   status               nothing charged, answered `status` with `body` (which may be empty)
//   garbage              charged, answered with bytes that are not HTTP
//   garbage_body         charged, answered 200 with a body that is not JSON
//   half_answer          charged, half of the answer's bytes sent, then the line cut
//   slow_answer          charged, the answer sent byte by byte with `delay` ms in between
//   huge_answer          charged, answered 200 with a body of `bytes` bytes
//
// `reset` cuts lines with RST instead of FIN. `on` is `charge` (POST /payments), `read` (GET /payments/{id}) or
// `health`; for the last two, which charge nothing, only the answer is spoilt.

/** When the insert happens: at once, never, `delay` ms after the answer, or `delay` ms late with the answer behind it. */
type Charge = "now" | "never" | "after_answer" | "late";
/** What is done to the answer. */
type Spoil = "none" | "cut" | "error" | "status" | "garbage" | "garbage_body" | "half" | "slow" | "huge";

const modes = {
	none: { charge: "now", spoil: "none" },
	cut: { charge: "never", spoil: "cut" },
	charge_then_cut: { charge: "now", spoil: "cut" },
	cut_then_charge: { charge: "after_answer", spoil: "cut" },
	charge_after: { charge: "late", spoil: "none" },
	error_after_charge: { charge: "now", spoil: "error" },
	error_then_charge: { charge: "after_answer", spoil: "error" },
	status: { charge: "never", spoil: "status" },
	garbage: { charge: "now", spoil: "garbage" },
	garbage_body: { charge: "now", spoil: "garbage_body" },
	half_answer: { charge: "now", spoil: "half" },
	slow_answer: { charge: "now", spoil: "slow" },
	huge_answer: { charge: "now", spoil: "huge" },
} as const satisfies Record<string, { charge: Charge; spoil: Spoil }>;

export type Mode = keyof typeof modes;
export type Target = "charge" | "read" | "health";

export interface Misbehaviour {
	readonly mode: Mode;
	/** Of each request that it applies to, 0 to 1. */
	readonly probability: number;
	/** Milliseconds. */
	readonly delay: number;
	readonly status: number;
	readonly body: string;
	readonly bytes: number;
	readonly reset: boolean;
	readonly on: Target;
}

/** The body of every 500 that stands for a fault inside of the processor. */
export const faultBody = '{"message":"simulated fault: the connection to the database was lost"}';

export const wellBehaved: Misbehaviour = {
	mode: "none",
	probability: 1,
	delay: 0,
	status: 503,
	body: faultBody,
	bytes: 64 * 1024 * 1024,
	reset: false,
	on: "charge",
};

const delayMaxMs = 3_600_000;
const bytesMax = 2 ** 31;

export function chargeOf(mode: Mode): Charge {
	return modes[mode].charge;
}

export function spoilOf(mode: Mode): Spoil {
	return modes[mode].spoil;
}

/** What was asked for, over the defaults; `undefined` where a setting is unknown or out of its bounds. */
export function parseMisbehaviour(asked: Readonly<Record<string, unknown>>): Misbehaviour | undefined {
	const found = { ...wellBehaved, ...asked } as Misbehaviour;
	const valid =
		Object.keys(found).length === Object.keys(wellBehaved).length &&
		Object.hasOwn(modes, found.mode) &&
		within(found.probability, 0, 1) &&
		within(found.delay, 0, delayMaxMs) &&
		Number.isInteger(found.status) &&
		within(found.status, 200, 599) &&
		typeof found.body === "string" &&
		Number.isInteger(found.bytes) &&
		within(found.bytes, 0, bytesMax) &&
		typeof found.reset === "boolean" &&
		["charge", "read", "health"].includes(found.on);
	return valid ? found : undefined;
}

function within(value: unknown, min: number, max: number): boolean {
	return typeof value === "number" && value >= min && value <= max;
}
