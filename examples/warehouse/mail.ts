// Hands mails over: to an SMTP server where one is configured, else into a folder, one file a mail.
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface Mail {
	/** The same however often it is sent, so that whoever takes it can tell. */
	readonly id: string;
	readonly user: string;
	readonly email: string;
	readonly sku: string;
}

/** Resolves once the mail is in other hands. */
export type Mailer = (mail: Mail) => Promise<void>;

const from = "shop@warehouse.example";
/** How long the SMTP server may take for any one answer, ms. */
const smtpTimeoutMs = 10_000;

export async function createMailer(smtpUrl: string, folder: string): Promise<Mailer> {
	return smtpUrl === "" ? fileMailer(folder) : smtpMailer(smtpUrl);
}

async function fileMailer(folder: string): Promise<Mailer> {
	await mkdir(folder, { recursive: true });
	return async (mail) => {
		const path = join(folder, `${mail.id}.eml`);
		const { to, subject, text, messageId } = compose(mail);
		const lines = [`From: ${from}`, `To: ${to}`, `Subject: ${subject}`, `Message-ID: ${messageId}`, "", text, ""];
		await writeFile(`${path}.part`, lines.join("\r\n"));
		await rename(`${path}.part`, path);
	};
}

async function smtpMailer(url: string): Promise<Mailer> {
	const { createTransport } = await import("nodemailer");
	const limits = {
		connectionTimeout: smtpTimeoutMs,
		greetingTimeout: smtpTimeoutMs,
		socketTimeout: smtpTimeoutMs,
	};
	const transport = createTransport({ url, ...limits });
	return async (mail) => {
		await transport.sendMail({ from, ...compose(mail) });
	};
}

function compose({ id, user, email, sku }: Mail) {
	return {
		to: email,
		subject: `${sku} is available`,
		text: `Hello ${user}, ${sku} from your wishlist can be bought now.`,
		messageId: `<${id}@warehouse.example>`,
	};
}
