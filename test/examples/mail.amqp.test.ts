// Mails by SMTP: whoever wishes for it gets one, also where the mail server was out of order at first.
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test, vi } from "vitest";
import { readFinalState } from "../../examples/warehouse/final-state.ts";
import { brokerInstalled } from "../amqp/broker.ts";
import { report, setStage, until } from "./stage.ts";

/** Several processes are started for each. */
vi.setConfig({ testTimeout: 90_000 });

/** An SMTP server that refuses its first mail for now, and keeps the others; RFC 5321. */
async function startMailServer() {
	const mails: string[] = [];
	let refusals = 0;
	const serve = (socket: Socket) => {
		const say = (line: string) => socket.write(`${line}\r\n`);
		let content: string[] | undefined;
		say("220 test");
		socket.on("error", () => socket.destroy());
		createInterface({ input: socket }).on("line", (line) => {
			if (content !== undefined && line !== ".") return void content.push(line);
			if (content !== undefined) {
				mails.push(content.join("\n"));
				content = undefined;
				return void say("250 kept");
			}
			const verb = line.slice(0, 4).toUpperCase();
			if (verb === "MAIL" && refusals++ === 0) say("451 later");
			else if (verb === "DATA") {
				content = [];
				say("354 go on");
			} else if (verb === "QUIT") socket.end("221 bye\r\n");
			else say("250 ok");
		});
	};
	const server = createServer(serve);
	await once(server.listen(0, "127.0.0.1"), "listening");
	onTestFinished(() => void server.close());
	return { mails, url: `smtp://127.0.0.1:${(server.address() as { port: number }).port}` };
}

test.skipIf(!brokerInstalled)(
	"each who wishes for it is sent one mail, also when the mail server refuses at first",
	async () => {
		const server = await startMailServer();
		const { fleet, warehouse, data } = await setStage("choreography", { smtpUrl: server.url });
		await fleet.start("user");
		await fleet.start("inventory");
		await warehouse.request(report("r1", "CHAIR-1", 5));
		await until(
			() => readFinalState(data).mails,
			({ length }) => length === 2,
		);
		const subject = /^Subject: CHAIR-1 is available$/m;
		expect(server.mails.map((mail) => subject.test(mail))).toEqual([true, true]);
		expect(server.mails.map((mail) => /^To: (.*)$/m.exec(mail)?.[1]).sort()).toEqual([
			"ada@example.org",
			"ben@example.org",
		]);
	},
);
