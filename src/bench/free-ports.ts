// Free ports for servers that a process starts and that take some seconds until they listen.
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:net";

const host = "127.0.0.1";
/** Below the range from which the system gives ports to whoever asks for any: nobody takes one by chance. */
const portMin = 20_000;
const portMax = 32_000;
/** The first port of a block is listened on by the process that has the block, for as long as it lives. */
const blockSize = 100;

let block: Promise<Block> | undefined;

/**
 * Up to 99 ports that are free, and given to no other process that asks here; none comes again before 98 others did.
 * Rejects where there are none.
 */
export async function freePorts(count: number): Promise<number[]> {
	if (count >= blockSize) throw new Error(`${count} ports are more than a block has`);
	block ??= claimBlock();
	const { next } = await block;
	const ports: number[] = [];
	for (let i = 0; i < count; i++) ports.push(await next());
	return ports;
}

interface Block {
	/** The port that was given longest ago of those that are free. */
	next(): Promise<number>;
}

async function claimBlock(): Promise<Block> {
	const blocks = (portMax - portMin) / blockSize;
	const start = randomInt(blocks);
	for (let i = 0; i < blocks; i++) {
		const first = portMin + ((start + i) % blocks) * blockSize;
		const holder = await listen(first);
		if (holder === undefined) continue;
		holder.unref();
		return createBlock(first);
	}
	throw new Error(`no ${blockSize} ports from ${portMin} to ${portMax} are free`);
}

function createBlock(first: number): Block {
	let given = 0;
	return {
		async next() {
			for (let i = 1; i < blockSize; i++) {
				const port = first + 1 + (given++ % (blockSize - 1));
				const server = await listen(port);
				if (server === undefined) continue;
				await once(server.close(), "close");
				return port;
			}
			throw new Error(`all of the ports from ${first} to ${first + blockSize - 1} are taken`);
		},
	};
}

/** Nothing where somebody listens there. */
async function listen(port: number): Promise<Server | undefined> {
	const server = createServer().listen(port, host);
	try {
		await once(server, "listening");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return undefined;
		throw error;
	}
	return server;
}
