// The live line of a run: a progress bar on a terminal, else a plain line now and then.
import { Presets, SingleBar } from "cli-progress";
import { tellNumber } from "./tell-number.ts";

export interface LiveFigures {
	readonly elapsedS: number;
	readonly sent: number;
	readonly accepted: number;
	readonly failed: number;
	/** Of the last second, ms. */
	readonly p50: number | undefined;
	readonly p99: number | undefined;
	/** Accepted and not yet charged; undefined where nobody can tell. */
	readonly lag: number | undefined;
}

export interface Live {
	update(figures: LiveFigures): void;
	stop(): void;
}

export interface Terminal {
	write(text: string): unknown;
	readonly isTTY?: boolean;
}

const plainLineS = 5;
const format =
	"{name} {bar} {value}/{total} s  sent {sent}  accepted {accepted}  failed {failed}  p50 {p50}  p99 {p99} ms  lag {lag}";

export function createLive(name: string, totalS: number, out: Terminal): Live {
	const lagText = (lag: number | undefined): string => (lag === undefined ? "?" : String(lag));
	if (!out.isTTY) {
		let saidS = 0;
		return {
			update({ elapsedS, sent, accepted, failed, p50, p99, lag }) {
				if (elapsedS - saidS < plainLineS) return;
				saidS = elapsedS;
				const latency = `p50 ${tellNumber(p50)} ms  p99 ${tellNumber(p99)} ms`;
				out.write(
					`${name}  ${Math.round(elapsedS)}/${Math.round(totalS)} s  sent ${sent}  accepted ${accepted}  failed ${failed}  ${latency}  lag ${lagText(lag)}\n`,
				);
			},
			stop() {},
		};
	}
	const stream = out as unknown as NodeJS.WritableStream;
	const bar = new SingleBar({ format, stream, hideCursor: true, fps: 2, barsize: 20 }, Presets.shades_classic);
	const none = { name, sent: 0, accepted: 0, failed: 0, p50: "-", p99: "-", lag: "-" };
	bar.start(Math.round(totalS), 0, none);
	return {
		update({ elapsedS, p50, p99, lag, ...rest }) {
			bar.update(Math.min(Math.round(elapsedS), Math.round(totalS)), {
				...rest,
				p50: tellNumber(p50),
				p99: tellNumber(p99),
				lag: lagText(lag),
			});
		},
		stop: () => bar.stop(),
	};
}
