import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Refusal } from "../../src/refusal.ts";
import { removeStaleSocket } from "../../src/rpc/stale-socket.ts";

async function folder(): Promise<string> {
	const path = await mkdtemp(join(tmpdir(), "payrelay-"));
	onTestFinished(() => rm(path, { recursive: true }));
	return path;
}

test("what is no socket is not replaced by one, and stays", async () => {
	const at = await folder();
	const [file, directory, link] = [join(at, "file"), join(at, "directory"), join(at, "link")];
	await writeFile(file, "somebody's");
	await mkdir(directory);
	await symlink(file, link);
	for (const path of [file, directory, link]) {
		const refusal = await removeStaleSocket(path).catch((error: unknown) => error);
		expect(refusal).toBeInstanceOf(Refusal);
		expect((refusal as Refusal).message).toContain(`${path} is no socket`);
	}
	expect(await readFile(file, "utf8")).toBe("somebody's");
});

test("where nothing is, or somebody listens, nothing is removed", async () => {
	const path = join(await folder(), "socket");
	await removeStaleSocket(path);
	const server = createServer().listen(path);
	await once(server, "listening");
	onTestFinished(() => void server.close());
	await removeStaleSocket(path);
	await expect(once(createServer().listen(path), "listening")).rejects.toThrow("EADDRINUSE");
});
