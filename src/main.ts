// The one command: reads settings and starts every service, or the one that is named.
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { systemClock } from "./clock.ts";
import { addSettings, readSettings, type Settings, toEnvironment } from "./config.ts";
import { addDeadLetters } from "./dead-letters-command.ts";
import { createLog, prettyLines } from "./log.ts";
import { type Processor, processors } from "./payment/payment.ts";
import {
	apiPlace,
	cachePlaces,
	namePlace,
	type Place,
	processorPlace,
	tellPayments,
	tryPlaces,
	urlHere,
} from "./places.ts";
import { formatAddress } from "./rpc/address.ts";
import { heapFlags, selfCommand, useCompiledCode } from "./runtime.ts";
import { runServiceProcess, type ServiceProcess, stopSignals, supervisedVariable } from "./service-process.ts";
import { exitOf, exitRefused, type ServiceSpec, supervise } from "./supervisor.ts";

/** How long a service may take to be ready for the first time, ms. */
const startMs = 60_000;
/** Of the time for stopping, the part that calls under way may take. */
const closePart = 0.5;
/** How long the log's last lines may take to be written, ms. */
const lastLinesMs = 300;
/** Left to itself V8 collects late and grows on; services keep little, but for the simulators, who keep every payment. */
const heaps = {
	cache: { oldMb: 96, semiMb: 4 },
	api: { oldMb: 64, semiMb: 4 },
	consumer: { oldMb: 96, semiMb: 4 },
	processor: { oldMb: 1024, semiMb: 16 },
};

useCompiledCode();

const program = addSettings(new Command("payrelay"))
	.description("A payment relay. Without a command it starts everything: simulators, cache, consumer and api.")
	.showHelpAfterError("(--help lists every setting and service)")
	// Of whatever is wrong with its words; commands that are added later take it over.
	.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : exitRefused))
	.action(() => {
		const [name] = program.args;
		if (name !== undefined) program.error(`error: '${name}' is no service.`);
		return runAll(readSettings(program));
	});

const settingsHelp = "\nIt takes the settings, from the environment or as options: payrelay --help lists them.";
for (const [name, description, start] of [
	["cache", "keeps the queue and the books", startCache],
	["api", "serves HTTP", startApi],
	["consumer", "charges payments at the processors", startConsumer],
] as const)
	program
		.command(name)
		.description(description)
		.addHelpText("after", settingsHelp)
		.action(() => run(name, readSettings(program), start));

program
	.command("processor")
	.description("simulates a payment processor, in memory: default or fallback")
	.addHelpText("after", settingsHelp)
	.argument("<name>", "default or fallback", (name): Processor => {
		if (name === "default" || name === "fallback") return name;
		return program.error(`error: '${name}' is no processor. Expected default or fallback.`);
	})
	.action((name: Processor) => run(`processor ${name}`, readSettings(program), startProcessor(name)));

addDeadLetters(program);

// Last, as commands that are added afterwards would inherit it: the action above refuses them, by name.
program.allowExcessArguments();
await program.parseAsync();

type Start = (settings: Settings) => ServiceProcess["start"];

/** What services say on standard output is for people, and the log says more: when nobody reads it any more, that stops nothing. */
function needNoReader(): void {
	process.stdout.on("error", () => {});
}

function run(name: string, settings: Settings, start: Start): Promise<void> {
	needNoReader();
	const { stopMs, logLevel, logFormat } = settings;
	const supervised = process.env[supervisedVariable] === "1";
	return runServiceProcess({ name, supervised, stopMs, logLevel, logFormat, start: start(settings) });
}

/** Starts a service that listens at these places; where one of them cannot be had, the refusal names its setting. */
function at(places: readonly Place[], start: ServiceProcess["start"]): ServiceProcess["start"] {
	return async (log, fail) => {
		try {
			return await start(log, fail);
		} catch (error) {
			throw await namePlace(error, places);
		}
	};
}

function startCache(settings: Settings): ServiceProcess["start"] {
	const { rpc, socket } = cachePlaces(settings);
	return at([rpc, socket], async (log, fail) => {
		const { serveCache } = await import("./cache/serve.ts");
		const { doubtPauseMinMs, doubtPauseMaxMs, parkAfterMs, parkedPauseMs, stopMs } = settings;
		return serveCache(
			{
				...settings,
				dataDir: resolve(settings.dataDir),
				addresses: [socket, rpc].map(({ address }) => formatAddress(address)),
				closeMs: stopMs * closePart,
				doubt: { pauseMinMs: doubtPauseMinMs, pauseMaxMs: doubtPauseMaxMs, parkAfterMs, parkedPauseMs },
			},
			log,
			fail,
		);
	});
}

function startApi(settings: Settings): ServiceProcess["start"] {
	const place = apiPlace(settings);
	return at([place], async (log) => {
		const { serveRelayApi } = await import("./api/serve-relay.ts");
		const cache = cacheAddress(settings);
		return serveRelayApi({ ...settings, listen: place.address, cache, closeMs: settings.stopMs * closePart }, log);
	});
}

function startConsumer(settings: Settings): ServiceProcess["start"] {
	return async (log) => {
		const { serveConsumer } = await import("./consumer/serve.ts");
		const { processorDefaultFee, processorFallbackFee } = settings;
		const urls = { default: processorUrl(settings, "default"), fallback: processorUrl(settings, "fallback") };
		const fees = { default: processorDefaultFee, fallback: processorFallbackFee };
		return serveConsumer({ ...settings, cache: cacheAddress(settings), urls, fees }, log);
	};
}

function startProcessor(name: Processor): Start {
	return (settings) => {
		const place = processorPlace(settings, name);
		return at([place], async () => {
			const { serveProcessor } = await import("./processor/serve.ts");
			const fee = name === "default" ? settings.processorDefaultFee : settings.processorFallbackFee;
			const { host, port } = place.address;
			const served = await serveProcessor({ name, host, port, feeRate: String(fee), token: settings.processorToken });
			return { address: `http://${formatAddress({ host, port: served.port })}  (simulated)`, close: served.close };
		});
	};
}

/** Where the other services reach it. */
function cacheAddress(settings: Settings): string {
	return settings.cacheAddr === "" ? formatAddress(cachePlaces(settings).socket.address) : settings.cacheAddr;
}

/** The real processor's; empty where it is to be simulated. */
function givenUrl(settings: Settings, name: Processor): string {
	return name === "default" ? settings.processorDefaultUrl : settings.processorFallbackUrl;
}

function simulatedProcessors(settings: Settings): Processor[] {
	return processors.filter((name) => givenUrl(settings, name) === "");
}

function processorUrl(settings: Settings, name: Processor): string {
	return givenUrl(settings, name) || urlHere(processorPlace(settings, name).address);
}

/** What is wrong with the file of the key, if anything is; asked at once, as the api would start, and say so, seconds later. */
async function wrongAdminKey({ adminKeyFile }: Settings): Promise<string | undefined> {
	if (adminKeyFile === "") return undefined;
	const { readAdminKey } = await import("./api/admin-key.ts");
	return readAdminKey(adminKeyFile).then(
		() => undefined,
		(refusal: Error) => refusal.message,
	);
}

/** Where the services will listen; not the socket in the data folder, which need not be there yet, and whose lock says more. */
function placesOfAll(settings: Settings): Place[] {
	const { rpc, socket } = cachePlaces(settings);
	return [
		...simulatedProcessors(settings).map((name) => processorPlace(settings, name)),
		...(settings.cacheAddr === "" ? [rpc] : []),
		...(settings.cacheAddr === "" && settings.rpcSocket !== "" ? [socket] : []),
		apiPlace(settings),
	];
}

async function runAll(settings: Settings): Promise<void> {
	needNoReader();
	const log = await createLog("supervisor", settings.logLevel, settings.logFormat);
	const env = { ...toEnvironment(settings), LOG_FORMAT: "json", [supervisedVariable]: "1" };
	const spec = (name: string, ...words: [keyof typeof heaps, ...string[]]): ServiceSpec => ({
		name,
		command: selfCommand(fileURLToPath(import.meta.url), words, heapFlags(heaps[words[0]])),
		env,
	});
	const simulated = simulatedProcessors(settings).map((name) => spec(`processor ${name}`, "processor", name));
	const caches = settings.cacheAddr === "" ? [spec("cache", "cache")] : [];
	// A unix socket has one listener.
	const apis = Array.from({ length: settings.apiListen === "" ? settings.apiProcesses : 1 }, (_, i) =>
		spec(`api ${i + 1}`, "api"),
	);
	const wrong = (await wrongAdminKey(settings)) ?? (await tryPlaces(placesOfAll(settings)));
	if (wrong !== undefined) {
		log.fatal(wrong);
		await systemClock.sleep(lastLinesMs);
		process.exit(exitRefused);
	}
	const supervisor = supervise({
		groups: [simulated, caches, [spec("consumer", "consumer")], apis],
		clock: systemClock,
		log,
		say: (line) => process.stdout.write(`${line}\n`),
		logLines: settings.logFormat === "json" ? process.stderr : await prettyLines(),
		stopMs: settings.stopMs,
		startMs,
	});
	for (const signal of stopSignals) process.on(signal, supervisor.stop);
	if (process.env[supervisedVariable] === "1") process.stdin.on("end", supervisor.stop).resume();
	const ready = supervisor.ready.then(
		() => process.stdout.write(`\nPOST payments to ${tellPayments(apiPlace(settings))}\n`),
		() => {
			// Why is in the log; what it came to is what `stopped` says.
		},
	);
	const reason = await supervisor.stopped;
	await ready;
	// The last words of a service that refused to start are still on their way.
	if (reason === "refused") await systemClock.sleep(lastLinesMs);
	process.exit(exitOf[reason]);
}
