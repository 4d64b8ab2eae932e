// Every setting: its name, default, unit and meaning, in one table.
import { amqpUrlForm } from "./amqp/settings.ts";
import {
	address,
	amqpUrls,
	choice,
	fee,
	filled,
	host,
	integer,
	namespace,
	socket,
	socketOrAddress,
	text,
	url,
} from "./setting-values.ts";

export interface Setting<T> {
	/** The environment's name; the flag is the same in lower case with dashes. */
	readonly name: string;
	readonly default: T;
	readonly unit: string;
	readonly meaning: string;
	/** The value, or an InvalidArgumentError that says what was expected. */
	readonly parse: (text: string) => T;
}

function setting<T>(
	name: string,
	parse: (text: string) => T,
	fallback: NoInfer<T>,
	unit: string,
	meaning: string,
): Setting<T> {
	return { name, default: fallback, unit, meaning, parse };
}

export const settingTable = {
	port: setting("PORT", integer(1, 65535), 9999, "port", "where the HTTP API listens"),
	host: setting("HOST", host(), "0.0.0.0", "address", "where the HTTP API listens"),
	apiListen: setting(
		"API_LISTEN",
		socket(),
		"",
		"unix:PATH",
		"a unix socket for the HTTP API instead of HOST and PORT, for a load balancer on the same machine; one api process",
	),
	apiProcesses: setting("API_PROCESSES", integer(1, 16), 2, "processes", "how many api processes share the port"),
	adminKeyFile: setting(
		"ADMIN_KEY_FILE",
		text(),
		"",
		"path",
		"a file with the bearer key that purge, metrics, parked payments and their resolution ask for; empty: open to all",
	),
	acceptDeadlineMs: setting(
		"ACCEPT_DEADLINE_MS",
		integer(10, 60_000),
		1_000,
		"ms",
		"how long a POST waits for its payment to be on disk before the answer is 503",
	),

	dataDir: setting("DATA_DIR", filled(), "./data", "path", "where the store and the services' socket are kept"),
	store: setting(
		"STORE",
		choice("sqlite", "memory"),
		"sqlite",
		"",
		"where payments are kept; in memory nothing survives",
	),
	rpcAddr: setting("RPC_ADDR", address(), "127.0.0.1:9998", "host:port", "where the cache serves RPC over TCP"),
	rpcSocket: setting(
		"RPC_SOCKET",
		text(),
		"",
		"path",
		"the unix socket where the cache serves RPC beside RPC_ADDR; empty: cache.sock in DATA_DIR",
	),
	cacheAddr: setting(
		"CACHE_ADDR",
		socketOrAddress(),
		"",
		"unix:PATH or host:port",
		"where api and consumer reach a cache that runs elsewhere; empty: the one started here, at RPC_SOCKET",
	),
	carrier: setting(
		"CARRIER",
		choice("http2", "amqp"),
		"http2",
		"",
		"what carries the calls between api, consumer and cache: HTTP/2, or the broker at AMQP_URL",
	),
	events: setting(
		"EVENTS",
		choice("off", "amqp"),
		"off",
		"",
		"whether what happens to payments is announced at the broker, as CloudEvents on the exchange AMQP_NAMESPACE.events",
	),
	amqpUrl: setting(
		"AMQP_URL",
		amqpUrls(),
		"amqp://127.0.0.1:5672",
		"URL,…",
		`the broker, ${amqpUrlForm}; nodes of one cluster separated by commas`,
	),
	amqpPasswordFile: setting("AMQP_PASSWORD_FILE", text(), "", "path", "a file with the password, instead of the URL's"),
	amqpCaFile: setting("AMQP_CA_FILE", text(), "", "path", "the certificates, PEM, that a broker's is checked against"),
	amqpCertFile: setting("AMQP_CERT_FILE", text(), "", "path", "the certificate, PEM, that is shown to the broker"),
	amqpKeyFile: setting("AMQP_KEY_FILE", text(), "", "path", "the key of that certificate, PEM"),
	amqpNamespace: setting(
		"AMQP_NAMESPACE",
		namespace(),
		"payrelay",
		"name",
		"what the names of all queues and exchanges begin with: one for each deployment at a broker",
	),
	amqpConcurrency: setting(
		"AMQP_CONCURRENCY",
		integer(1, 65_535),
		256,
		"requests",
		"how many the cache takes from a service's queue at a time: the queue's prefetch",
	),
	amqpHeartbeatS: setting(
		"AMQP_HEARTBEAT_S",
		integer(1, 3600),
		10,
		"s",
		"a connection whose other side was silent for twice as long is given up",
	),
	amqpFrameMaxBytes: setting(
		"AMQP_FRAME_MAX_BYTES",
		integer(8192, 1_048_576),
		131_072,
		"bytes",
		"the largest frame on a connection to the broker; a message may take several",
	),
	queueMax: setting(
		"QUEUE_MAX",
		integer(1, 1e9),
		10_000_000,
		"payments",
		"how many may wait; beyond, the answer is 429",
	),
	leaseMs: setting(
		"LEASE_MS",
		integer(500, 600_000),
		10_000,
		"ms",
		"how long a consumer may be silent before its payments go to others",
	),
	reclaimMs: setting(
		"RECLAIM_MS",
		integer(0, 600_000),
		5_000,
		"ms",
		"how long a consumer may take to come back, after a restart of the cache or the end of its stream (then half of LEASE_MS at least), before it loses what it was charging",
	),
	inFlightMax: setting(
		"IN_FLIGHT_MAX",
		integer(1, 1300),
		512,
		"charges",
		"how many may be open towards one processor, over all consumers; processors take 800, and queue 500",
	),
	pollGapMs: setting(
		"POLL_GAP_MS",
		integer(5_000, 600_000),
		5_050,
		"ms",
		"the least time between two polls of a processor's health; processors allow one per 5 s",
	),
	doubtPauseMinMs: setting(
		"DOUBT_PAUSE_MIN_MS",
		integer(1, 60_000),
		50,
		"ms",
		"the first pause of a payment in doubt; each further one is twice as long",
	),
	doubtPauseMaxMs: setting("DOUBT_PAUSE_MAX_MS", integer(1, 600_000), 10_000, "ms", "the longest of these pauses"),
	parkAfterMs: setting("PARK_AFTER_MS", integer(0, 1e9), 600_000, "ms", "in doubt for longer, a payment is parked"),
	parkedPauseMs: setting(
		"PARKED_PAUSE_MS",
		integer(100, 1e8),
		20_000,
		"ms",
		"how often the processor of a parked payment is still asked for it",
	),
	purgeWaitMs: setting(
		"PURGE_WAIT_MS",
		integer(1, 60_000),
		2_000,
		"ms",
		"how long a purge waits for charges in flight",
	),

	processorDefaultUrl: setting(
		"PROCESSOR_DEFAULT_URL",
		url(),
		"",
		"URL",
		"the processor whose fee is the lower one by default; empty: a simulator is started",
	),
	processorFallbackUrl: setting(
		"PROCESSOR_FALLBACK_URL",
		url(),
		"",
		"URL",
		"the processor whose fee is the higher one by default; empty: a simulator is started",
	),
	processorDefaultFee: setting(
		"PROCESSOR_DEFAULT_FEE",
		fee(),
		0.05,
		"share",
		"what the default one takes of an amount; the cheaper one is told by the fees",
	),
	processorFallbackFee: setting(
		"PROCESSOR_FALLBACK_FEE",
		fee(),
		0.15,
		"share",
		"what the fallback one takes of an amount",
	),
	processorHost: setting("PROCESSOR_HOST", host(), "127.0.0.1", "address", "where the simulators listen"),
	processorDefaultPort: setting("PROCESSOR_DEFAULT_PORT", integer(1, 65535), 8001, "port", "of the simulator"),
	processorFallbackPort: setting("PROCESSOR_FALLBACK_PORT", integer(1, 65535), 8002, "port", "of the simulator"),
	processorToken: setting("PROCESSOR_TOKEN", filled(), "123", "", "the simulators' first admin token"),

	workers: setting("WORKERS", integer(1, 2_000), 1_024, "jobs", "how many payments one consumer works on at once"),
	pursuitWorkers: setting(
		"PURSUIT_WORKERS",
		integer(1, 500),
		16,
		"jobs",
		"how many payments in doubt one consumer asks for at once, beside the others",
	),
	patienceMs: setting(
		"PATIENCE_MS",
		integer(0, 1e8),
		55_000,
		"ms",
		"how much later at most a payment may be charged at the cheaper processor than at the dearer one; less where that saves little: 55 s is for a saving of 5 % of the amount or more",
	),
	chargeDeadlineMinMs: setting(
		"CHARGE_DEADLINE_MIN_MS",
		integer(100, 600_000),
		6_000,
		"ms",
		"the shortest deadline of a charge; shorter than the processor's delay it only turns knowledge into doubt",
	),
	chargeDeadlineMaxMs: setting(
		"CHARGE_DEADLINE_MAX_MS",
		integer(100, 600_000),
		20_000,
		"ms",
		"the longest deadline of a charge",
	),

	stopMs: setting("STOP_MS", integer(100, 600_000), 10_000, "ms", "how long each service may take to stop"),
	logLevel: setting("LOG_LEVEL", choice("debug", "info", "warn", "error"), "info", "", "what is logged"),
	logFormat: setting("LOG_FORMAT", choice("text", "json"), "text", "", "how it is logged, on standard error"),
} satisfies Record<string, Setting<unknown>>;
