// A receiver that is told to end while its broker is away, and one whose queues are looked at while they are not there.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { deadLetterQueue } from "../../../src/rpc/amqp/names.ts";
import { brokerInstalled, sharedBrokerUrl } from "../../amqp/broker.ts";
import { amqpSettings } from "../../amqp/settings.ts";
import { CarrierService } from "../gen/carrier/v1/carrier_pb.ts";
import { type AmqpLab, createAmqpLab, eventually } from "./lab.ts";

let lab: AmqpLab;
const open: AmqpLab[] = [];
beforeEach(() => {
	if (brokerInstalled) lab = createAmqpLab();
});
afterEach(async () => {
	for (const one of open.splice(0)) await one.close();
	await lab?.close();
});

/** A way to the broker that can be cut. */
async function cuttable() {
	const url = new URL(sharedBrokerUrl());
	const sockets = new Set<Socket>();
	let up = true;
	const proxy = createServer((near) => {
		if (!up) return void near.destroy();
		const far = connect(Number(url.port), url.hostname);
		for (const socket of [near, far]) sockets.add(socket.on("error", () => {}));
		near.pipe(far).pipe(near);
	}).listen(0, "127.0.0.1");
	onTestFinished(() => void proxy.close());
	await once(proxy, "listening");
	const through = new URL(url);
	through.port = String((proxy.address() as AddressInfo).port);
	return {
		url: through.href,
		cut() {
			up = false;
			for (const socket of sockets) socket.destroy();
		},
	};
}

/** Its one method is held until it is let go. */
function holding() {
	const gate = Promise.withResolvers<void>();
	const begun = { unary: 0 };
	const unary = async () => {
		begun.unary++;
		await gate.promise;
		return { text: "held" };
	};
	return {
		begun,
		letGo: gate.resolve,
		routes: (router: Parameters<Parameters<AmqpLab["serve"]>[0]["routes"]>[0]) =>
			void router.service(CarrierService, { unary }),
	};
}

/** A receiver that has begun a call, and holds it. */
async function holdOne() {
	const held = holding();
	const { server } = await lab.serve(held);
	const raw = await lab.raw();
	const { client } = lab.client();
	const call = client.unary({});
	await eventually(() => held.begun.unary === 1);
	return { held, server, raw, call };
}

describe.skipIf(!brokerInstalled)("R18: a receiver", () => {
	test("is drained once what it has begun is answered", async () => {
		const { held, server, raw, call } = await holdOne();
		let drained = false;
		const draining = server.drain(60_000).then(() => {
			drained = true;
		});
		// Longer than it takes to take no more.
		for (let look = 0; look < 20; look++) await raw.checkQueue(lab.queue);
		expect(drained).toBe(false);
		held.letGo();
		await draining;
		expect((await call).text).toBe("held");
		expect(server.counters).toMatchObject({ requests: 1, served: 1, redelivered: 0 });
	});

	test("that is drained leaves what comes then to the next one", async () => {
		const { held, server, call } = await holdOne();
		held.letGo();
		await server.drain(60_000);
		const next = await lab.serve(held);
		const { client } = lab.client();
		await Promise.all(Array.from({ length: 8 }, () => client.unary({})));
		await call;
		expect([server.counters.requests, next.server.counters.requests]).toEqual([1, 8]);
	});
});

describe.skipIf(!brokerInstalled)("R15: a receiver", () => {
	test("ends in its time though the broker is away and an answer is due", async () => {
		const way = await cuttable();
		const away = createAmqpLab(amqpSettings(way.url));
		open.push(away);
		const held = holding();
		const { server } = await away.serve({ ...held, namespace: lab.namespace });
		const { client } = lab.client();
		const given = new AbortController();
		const call = client.unary({}, { signal: given.signal }).catch(() => {});
		await eventually(() => held.begun.unary === 1);
		way.cut();
		held.letGo();
		await server.drain(100);
		await server.close(100);
		given.abort();
		await call;
	});

	test("whose dead letters were deleted tells of its other queues, and what it serves is not given out again", async () => {
		const { held, server, raw, call } = await holdOne();
		expect(await server.queueDepths()).toEqual({ [lab.queue]: 0, [deadLetterQueue(lab.namespace)]: 0 });
		await raw.deleteQueue(deadLetterQueue(lab.namespace));
		for (let look = 0; look < 3; look++) expect(await server.queueDepths()).toEqual({ [lab.queue]: 0 });
		held.letGo();
		expect((await call).text).toBe("held");
		expect(held.begun.unary).toBe(1);
		expect(server.counters).toMatchObject({ requests: 1, redelivered: 0 });
	});
});
