// Who serves a namespace: one connection at a time.
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { Refusal } from "../../../src/refusal.ts";
import { createOwner } from "../../../src/rpc/amqp/owner.ts";
import { brokerInstalled } from "../../amqp/broker.ts";
import { createCarrierLab } from "../carrier-service.ts";
import { type AmqpLab, createAmqpLab } from "./lab.ts";

function createLab(): AmqpLab {
	const lab = createAmqpLab();
	onTestFinished(() => lab.close());
	return lab;
}

test.skipIf(!brokerInstalled)(
	"a namespace is its owner's until that one's connection closes: who comes meanwhile waits, and is refused after a while",
	async () => {
		const { routes } = createCarrierLab();
		const [first, second, third] = [createLab(), createLab(), createLab()];
		const { namespace } = first;
		const ownerOf = (name: string, waitMs: number) => createOwner(name, systemClock, waitMs);
		const { connection } = await first.serve({ routes, own: ownerOf(namespace, 0).own });
		await third.serve({ routes, namespace: `${namespace}-other`, own: ownerOf(`${namespace}-other`, 0).own });
		const late = ownerOf(namespace, 100);
		const never = second.serve({ routes, namespace, own: late.own });
		// It ends with its lab, below.
		never.catch(() => {});
		await expect(late.refused).rejects.toThrow(
			new Refusal(`another cache serves ${namespace} at this broker: see AMQP_NAMESPACE and AMQP_URL`),
		);
		const next = third.serve({ routes, namespace, own: ownerOf(namespace, 60_000).own });
		await second.close();
		await connection.close();
		await next;
	},
);
