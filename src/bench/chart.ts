// A run as a picture: latency, throughput, what waits, and memory over time, with the timetable's stages shaded.
import { type EChartsOption, init, type LineSeriesOption } from "echarts";
import { failures } from "./meter.ts";
import type { RunResult } from "./run.ts";
import { describeCondition, type Timetable } from "./timetable.ts";

const widthPx = 1200;
const heightPx = 1000;
const panels = ["latency, ms", "per second", "accepted and not charged", "memory, MiB"] as const;
const panelHeightPx = 170;
const panelStepPx = 225;
const topPx = 90;
const shades = ["rgba(120,140,160,0.06)", "rgba(120,140,160,0.16)"];
const failingShade = "rgba(200,60,60,0.14)";
const logFloorMs = 0.1;

/** An SVG document. */
export function drawRun(result: RunResult): string {
	const chart = init(null, null, { renderer: "svg", ssr: true, width: widthPx, height: heightPx });
	chart.setOption(optionOf(result));
	const svg = chart.renderToSVGString();
	chart.dispose();
	return svg;
}

function optionOf(result: RunResult): EChartsOption {
	const { samples } = result;
	const endS = Math.max(result.loadMs / 1000, samples.at(-1)?.atS ?? 0);
	const line = (name: string, panel: number, data: (number | undefined)[]): LineSeriesOption => ({
		name,
		type: "line",
		xAxisIndex: panel,
		yAxisIndex: panel,
		showSymbol: false,
		lineStyle: { width: 1.5 },
		data: data.map((value, i) => [samples[i]!.atS, value ?? null]),
	});
	const seconds = samples.map(({ atS }, i) => Math.max(atS - (samples[i - 1]?.atS ?? 0), 0.001));
	const rates = (of: (i: number) => number): number[] => samples.map((_, i) => of(i) / seconds[i]!);
	const latency = (of: "p50" | "p99" | "max"): (number | undefined)[] =>
		samples.map(({ latency: { [of]: ms } }) => ms && Math.max(ms, logFloorMs));
	const services = [...new Set(samples.flatMap(({ rss }) => Object.keys(rss)))].sort();
	const series: LineSeriesOption[] = [
		line("p50", 0, latency("p50")),
		line("p99", 0, latency("p99")),
		line("max", 0, latency("max")),
		line(
			"sent",
			1,
			rates((i) => samples[i]!.sent),
		),
		line(
			"accepted",
			1,
			rates((i) => samples[i]!.accepted),
		),
		line(
			"failed",
			1,
			rates((i) => failures(samples[i]!)),
		),
		line(
			"charged",
			1,
			rates((i) => (samples[i]!.charged ?? 0) - (samples[i - 1]?.charged ?? 0)),
		),
		line(
			"waiting",
			2,
			samples.map(({ lag }) => lag),
		),
		...services.map((name) =>
			line(
				name,
				3,
				samples.map(({ rss }) => (rss[name] ?? 0) / 1024 / 1024),
			),
		),
	];
	for (const panel of panels.keys()) {
		const first = series.find(({ xAxisIndex }) => xAxisIndex === panel);
		if (first) first.markArea = shadeStages(result.timetable, endS, panel === 0);
	}
	return {
		animation: false,
		backgroundColor: "#ffffff",
		title: { text: `${result.name}, ${result.startedAt}`, left: 40, top: 8, textStyle: { fontSize: 15 } },
		legend: { top: 34, left: 40, type: "plain", itemHeight: 8, textStyle: { fontSize: 11 } },
		grid: panels.map((_, i) => ({ left: 70, right: 30, top: topPx + i * panelStepPx, height: panelHeightPx })),
		xAxis: panels.map((_, i) => ({
			type: "value" as const,
			gridIndex: i,
			min: 0,
			max: endS,
			axisLabel: { formatter: "{value} s" },
		})),
		yAxis: panels.map((name, i) => ({
			type: i === 0 ? ("log" as const) : ("value" as const),
			gridIndex: i,
			name,
			nameTextStyle: { align: "left" as const },
			...(i === 0 && { min: logFloorMs }),
		})),
		series,
	};
}

function shadeStages(timetable: Timetable, endS: number, named: boolean): NonNullable<LineSeriesOption["markArea"]> {
	return {
		silent: true,
		data: timetable
			.map((stage, i) => ({
				...stage,
				i,
				fromS: stage.atMs / 1000,
				toS: (timetable[i + 1]?.atMs ?? endS * 1000) / 1000,
			}))
			.filter(({ fromS }) => fromS < endS)
			.map((stage) => [
				{
					xAxis: stage.fromS,
					itemStyle: { color: stage.default.failing && stage.fallback.failing ? failingShade : shades[stage.i % 2]! },
					...(named && {
						name: `default ${describeCondition(stage.default)}\nfallback ${describeCondition(stage.fallback)}`,
						label: { position: "insideTopLeft" as const, fontSize: 9, color: "#555" },
					}),
				},
				{ xAxis: Math.min(stage.toS, endS) },
			]),
	};
}
