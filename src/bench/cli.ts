// The bench's command line: which scenario, with which settings, against what.
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import {
	addBeside,
	addGivenRelay,
	addLoadOptions,
	addTargetOptions,
	countList,
	type LoadCliOptions,
	notNegative,
	positive,
	rateList,
	type TargetCliOptions,
	whole,
} from "./cli-options.ts";
import { exitBroken, exitTrouble, statusOf } from "./exit-status.ts";
import type { Terminal } from "./live.ts";
import { type Given, runInTurn, runScenario } from "./on-targets.ts";
import { drainDefaultMs } from "./regret/case.ts";
import type { Scenario } from "./scenario.ts";
import { type AgedOptions, aged } from "./scenarios/aged.ts";
import { budget } from "./scenarios/budget.ts";
import { drain } from "./scenarios/drain.ts";
import { k6 } from "./scenarios/k6.ts";
import { ladder } from "./scenarios/ladder.ts";
import { preview, previewSeconds, previewUsers } from "./scenarios/preview.ts";
import { regret } from "./scenarios/regret.ts";
import { steady } from "./scenarios/steady.ts";
import { summary } from "./scenarios/summary.ts";
import { timetable } from "./scenarios/timetable.ts";

/** Of the options of a load, those that each kind of scenario reads. */
const backlog = ["seed", "connections", "timeout", "drainSeconds"] as const;
const openLoop = [...backlog, "spacing"] as const;
const audits = ["auditEvery", "auditGrace"] as const;

/** Runs what the arguments ask for, and resolves to the exit status: 0 only where every promise was kept. */
export async function bench(args: readonly string[], out: Terminal, signal: AbortSignal): Promise<number> {
	let status = 0;
	const program = new Command("bench")
		.description(
			"Drives a payment relay with a load, audits it against both processors while it runs, and afterwards looks up every payment by id. Without --url it starts the relay of this project, with simulated processors, on free ports and in a folder of its own.",
		)
		.showHelpAfterError("(--help lists every option)")
		.exitOverride()
		.configureOutput({ writeOut: (text) => void out.write(text), writeErr: (text) => void out.write(text) })
		.addHelpText(
			"after",
			`\nExit status: 0 every promise kept, ${exitBroken} a promise broken, ${exitTrouble} the bench could not do its work.\nEach scenario has options of its own: bench <scenario> --help.`,
		);

	/** `inTurn`: the scenario itself measures the other servers, in turn with the relay. */
	function scenario<O>(
		name: string,
		description: string,
		load: readonly (keyof LoadCliOptions)[],
		run: Scenario<O>,
		read: (options: never) => O,
		inTurn = false,
	): Command {
		const command = addTargetOptions(addGivenRelay(program.command(name).description(description)));
		addLoadOptions(addBeside(command), load);
		const measure = inTurn ? runInTurn : runScenario;
		return command.action(async (given: Given) => {
			status = await measure(name, (ready) => run(ready, read(given as never)), given, out, signal);
		});
	}

	scenario(
		"preview",
		"the public challenge's preview run, its score included",
		["runs", "timeout", "drainSeconds", ...audits],
		preview,
		(o: { seconds: number; users: number }) => o,
	)
		.option("--seconds <s>", "length of the load, s; the timetable is stretched with it", positive, previewSeconds)
		.option("--users <n>", "users at the end; the first begins alone", whole, previewUsers);
	scenario(
		"k6",
		"the same by the challenge's own script, unchanged but for its addresses and its imports from the network",
		["drainSeconds"],
		k6,
		(o: { k6: string; scripts: string; users: number }) => o,
	)
		.requiredOption("--k6 <program>", "where k6 is")
		.requiredOption("--scripts <folder>", "the challenge's rinha-test")
		.option("--users <n>", "users at the end; the first begins alone", whole, previewUsers);
	scenario(
		"steady",
		"a steady rate, open loop, instant processors",
		[...openLoop, "runs", ...audits],
		steady,
		(o: { rate: number; seconds: number; warmUp: number; summaries: number }) => ({
			rate: o.rate,
			seconds: o.seconds,
			warmUpS: o.warmUp,
			summariesPerSecond: o.summaries,
		}),
	)
		.option("--rate <n>", "payments/s", positive, 500)
		.option("--seconds <s>", "length of what is measured, s", positive, 30)
		.option("--warm-up <s>", "before it, at the same rate, s", notNegative, 5)
		.option("--summaries <n>", "summaries asked during the load, a second", notNegative, 0);
	scenario(
		"ladder",
		"rising rates, open loop, instant processors: the most payments/s accepted within a p99",
		openLoop,
		ladder,
		(o: { rates: number[]; seconds: number; warmUp: number; p99: number; refine: number }) => ({
			rates: o.rates,
			seconds: o.seconds,
			warmUpS: o.warmUp,
			p99MaxMs: o.p99,
			refinements: o.refine,
		}),
	)
		.option("--rates <list>", "payments/s, rising", rateList, [500, 1000, 1500, 2000, 3000, 4000, 5000, 6000, 8000])
		.option("--seconds <s>", "length of each step as measured, s", positive, 15)
		.option("--warm-up <s>", "before each step, at its rate, s", notNegative, 5)
		.option("--p99 <ms>", "the p99 not to be passed, ms", positive, 10)
		.option("--refine <n>", "further steps between the last rate borne and the first not borne", notNegative, 3);
	scenario(
		"budget",
		"rates in turn, open loop, instant processors: latency and CPU beside other servers; see --limit",
		openLoop,
		budget,
		(o: { rates: number[]; seconds: number; warmUp: number; rounds: number }) => ({
			...o,
			warmUpS: o.warmUp,
		}),
		true,
	)
		.option("--rates <list>", "payments/s", rateList, [500, 1000, 2000, 3000, 4000])
		.option("--seconds <s>", "length of each step as measured, s", positive, 8)
		.option("--warm-up <s>", "before each step, at its rate, s", notNegative, 2)
		.option("--rounds <n>", "times that all is measured; the medians are told", whole, 3);
	scenario(
		"timetable",
		"random timetables of delays and failures, one a seed, from --seed on; some never let a processor recover",
		[...openLoop, ...audits],
		timetable,
		(o: { rate: number; seconds: number; count: number }) => o,
	)
		.option("--rate <n>", "payments/s", positive, 200)
		.option("--seconds <s>", "length of each, s", positive, 60)
		.option("--count <n>", "how many seeds in a row", whole, 1);
	scenario(
		"drain",
		"payments/s drained from a backlog, instant processors",
		backlog,
		drain,
		(o: { count: number }) => o,
	).option("--count <n>", "payments in the backlog", whole, 100_000);
	scenario(
		"summary",
		"latency of the summary over random windows",
		backlog,
		summary,
		(o: { counts: number[]; queries: number }) => o,
	)
		.option("--counts <list>", "settled payments at which it is measured", countList, [10_000])
		.option("--queries <n>", "summaries asked at each", whole, 1_000);

	const agedCommand = addTargetOptions(
		program
			.command("aged")
			.description(
				"few and very many payments in the data folder: the summary's latency, payments beside summaries, memory, and the time to be back after a kill; the folders are written in bulk; see --limit",
			),
	);
	addLoadOptions(agedCommand, backlog)
		.option("--settled <list>", "settled payments in each folder that is compared", countList, [10_000, 10_000_000])
		.option("--waiting <n>", "payments that wait in a copy of the largest; 0: no such copy", notNegative, 1_000_000)
		.option("--folder <path>", "where prepared folders are kept, and taken from if they are there")
		.option("--queries <n>", "summaries asked alone", whole, 1_000)
		.option("--rate <n>", "payments/s", positive, 200)
		.option("--seconds <s>", "length of each stretch of payments, s", positive, 10)
		.option("--rounds <n>", "stretches with summaries and without, in turn; the medians are told", whole, 3)
		.option("--summaries <n>", "summaries asked beside payments, a second", positive, 10)
		.option("--kills <n>", "times that the cache is killed", whole, 3)
		.action(
			async (
				given: TargetCliOptions & LoadCliOptions & Omit<AgedOptions, "timeoutMs" | "drainS"> & { summaries: number },
			) => {
				const options = {
					...given,
					folder: given.folder,
					summariesPerSecond: given.summaries,
					timeoutMs: given.timeout,
					drainS: given.drainSeconds,
				};
				status = await statusOf("aged", given, out, (folder) =>
					aged(options, { ...given, logPath: join(folder, "relay.log") }, out, signal),
				);
			},
		);

	program
		.command("regret")
		.description(
			"the relay's choice of processor beside other routers' and a clairvoyant's, under random timetables in simulated time; no relay runs",
		)
		.option("--count <n>", "timetables, one a seed", whole, 1_000)
		.option("--seed <n>", "the first seed", notNegative, 1)
		.option("--patience <ms>", "PATIENCE_MS, instead of its default", notNegative)
		.option(
			"--drain-seconds <s>",
			"how long what is left may still be charged after the load, while the last stage goes on, s",
			notNegative,
			drainDefaultMs / 1000,
		)
		.option("--out <folder>", "where the results go", "bench-results")
		.action(async (given: { count: number; seed: number; patience?: number; drainSeconds: number; out: string }) => {
			const { seed, count, patience, drainSeconds } = given;
			const options = {
				seed,
				count,
				drainMs: drainSeconds * 1000,
				...(patience !== undefined && { patienceMs: patience }),
			};
			status = await statusOf("regret", given, out, () => regret(options, out, signal));
		});

	try {
		await program.parseAsync([...args], { from: "user" });
	} catch (error) {
		// Help was given, or a wrong argument told of: commander has written what there is to say.
		if (!(error instanceof CommanderError)) throw error;
		return error.exitCode === 0 ? 0 : exitTrouble;
	}
	return status;
}
