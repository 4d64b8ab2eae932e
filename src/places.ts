// The places where services listen, by the settings that say so, and what is wrong with one that cannot be had.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Settings } from "./config.ts";
import type { Processor } from "./payment/payment.ts";
import { Refusal, refusalOf } from "./refusal.ts";
import { type Address, formatAddress, parseAddress, type TcpAddress } from "./rpc/address.ts";
import { removeStaleSocket } from "./rpc/stale-socket.ts";
import { settingTable } from "./setting-table.ts";
import { socketPathMax } from "./setting-values.ts";

export interface Place {
	readonly address: Address;
	/** The setting that says the host, with its value: `HOST is 0.0.0.0`. */
	readonly host: string;
	/** The one that says the port or the path; it may be the same. */
	readonly port: string;
}

export function processorPlace(settings: Settings, name: Processor): Place & { readonly address: TcpAddress } {
	const portKey = name === "default" ? "processorDefaultPort" : "processorFallbackPort";
	return {
		address: { host: settings.processorHost, port: settings[portKey] },
		host: say(settings, "processorHost"),
		port: say(settings, portKey),
	};
}

/** Of RPC for everybody, and of the socket for the other services: beside the data unless said otherwise. */
export function cachePlaces(settings: Settings): { readonly rpc: Place; readonly socket: Place } {
	const { rpcAddr, rpcSocket, dataDir } = settings;
	const path = rpcSocket === "" ? socketBeside(dataDir) : rpcSocket;
	return {
		rpc: placeOf(parseAddress(rpcAddr), say(settings, "rpcAddr")),
		socket: placeOf({ path }, say(settings, rpcSocket === "" ? "dataDir" : "rpcSocket")),
	};
}

/** In a shorter place where the path beside the data is too long. */
function socketBeside(dataDir: string): string {
	const path = join(resolve(dataDir), "cache.sock");
	if (Buffer.byteLength(path) <= socketPathMax) return path;
	const short = createHash("sha256").update(path).digest("hex").slice(0, 16);
	return join(tmpdir(), `payrelay-${short}.sock`);
}

export function apiPlace(settings: Settings): Place {
	const { apiListen, host, port } = settings;
	if (apiListen !== "") return placeOf({ path: apiListen.replace(/^unix:/, "") }, say(settings, "apiListen"));
	return { address: { host, port }, host: say(settings, "host"), port: say(settings, "port") };
}

function placeOf(address: Address, said: string): Place {
	return { address, host: said, port: said };
}

function say(settings: Settings, key: keyof Settings): string {
	return `${settingTable[key].name} is ${settings[key]}`;
}

/**
 * What is wrong with the first place that cannot be had beside those before it; `undefined` where all can be. Each is had
 * alone: api processes share theirs, so they would share it with another relay's too.
 */
export async function tryPlaces(places: readonly Place[]): Promise<string | undefined> {
	// Who calls already is to call again.
	const servers = places.map(() => createServer((socket) => socket.destroy()));
	try {
		for (const [i, place] of places.entries())
			try {
				if ("path" in place.address) await removeStaleSocket(place.address.path);
				await once(servers[i]!.listen(place.address), "listening");
			} catch (error) {
				return await tellWrong(place, error as NodeJS.ErrnoException, places.slice(0, i));
			}
		return undefined;
	} finally {
		// Of one that does not listen it is an error, and it is closed all the same.
		await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
	}
}

/** Why a service could not start, with the setting's name where one of its places is why. */
export async function namePlace(error: unknown, places: readonly Place[]): Promise<unknown> {
	if (refusalOf(error) === undefined) return error;
	const { syscall = "", address: path, port, hostname } = error as NodeJS.ErrnoException & Record<string, unknown>;
	const place = ["listen", "bind", "getaddrinfo"].includes(syscall)
		? places.find(({ address }) =>
				"path" in address ? address.path === path : address.port === port || address.host === hostname,
			)
		: undefined;
	return place ? new Refusal(await tellWrong(place, error as NodeJS.ErrnoException, [])) : error;
}

async function tellWrong(
	{ address, host, port }: Place,
	{ code, message }: NodeJS.ErrnoException,
	others: readonly Place[],
): Promise<string> {
	if ("path" in address) {
		// What `listen` says of a folder that is not there is EACCES.
		const folder = await access(`${dirname(address.path)}/`).catch((error: NodeJS.ErrnoException) => error.code);
		const missing = folder === "ENOENT" || folder === "ENOTDIR";
		return `${port}. Expected a path ${missing ? "in a folder that is there" : `where a socket can be made (${message})`}.`;
	}
	if (code === "EADDRINUSE") {
		const other = others.find((one) => "port" in one.address && one.address.port === address.port);
		return `${port}. Expected a free port; ${other ? other.port : `another relay may have it (${message})`}.`;
	}
	if (code === "EACCES") return `${port}. Expected a port that this user may have (${message}).`;
	return `${host}. Expected an address of this machine (${message}).`;
}

/** Where payments are posted, as a caller on this machine would write it. */
export function tellPayments({ address }: Place): string {
	return "path" in address ? `/payments at ${formatAddress(address)}` : `${urlHere(address)}/payments`;
}

/** Of what listens there, for a caller on this machine: one that listens on all addresses is reached over loopback. */
export function urlHere({ host, port }: TcpAddress): string {
	const local: Record<string, string> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
	return `http://${formatAddress({ host: local[host] ?? host, port })}`;
}
