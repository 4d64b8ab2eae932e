// One service of the orchestration, named by the first word of the command.
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { integer } from "../../src/setting-values.ts";
import { CatalogService, ReorderService, UserService } from "../gen/warehouse/v1/command_services_pb.ts";
import { catalogSchema, createCatalog } from "../warehouse/catalog.ts";
import { createMailer } from "../warehouse/mail.ts";
import { createProgram, type Options } from "../warehouse/options.ts";
import { createPost } from "../warehouse/post.ts";
import { createReorder, reorderSchema } from "../warehouse/reorder.ts";
import { serveRpc } from "../warehouse/rpc.ts";
import { readSeed } from "../warehouse/seed.ts";
import { type Place, runService } from "../warehouse/service.ts";
import { createUsers, userSchema } from "../warehouse/user.ts";
import { coordinatorBounds } from "./coordinator.ts";
import { startInventory } from "./inventory.ts";
import { plan, planWithReorder } from "./plan.ts";

interface OrchestrationOptions extends Options {
	readonly reorder: boolean;
	readonly commandTimeoutMs: number;
	readonly attemptsMax: number;
}

const services: Readonly<Record<string, (place: Place, options: OrchestrationOptions) => Promise<string>>> = {
	inventory: (place, { reorder, commandTimeoutMs, attemptsMax }) =>
		startInventory(place, reorder ? planWithReorder : plan, { ...coordinatorBounds, commandTimeoutMs, attemptsMax }),

	async catalog(place) {
		const database = place.open(catalogSchema);
		const { discontinued } = await readSeed(place.options.seed);
		const catalog = createCatalog(database, discontinued, place.clock.now);
		await serveRpc(place, ({ service }) => {
			service(CatalogService, {
				updateSkuAvailability({ key, sku, available, revision }) {
					database.once(key, () => {
						if (!catalog.carries(sku))
							throw new ConnectError(`the catalog does not carry ${sku}`, Code.FailedPrecondition);
						catalog.mark(sku, { available, revision });
					});
					return {};
				},
			});
		});
		return CatalogService.typeName;
	},

	async user(place) {
		const { options, clock, onFault, atEnd } = place;
		const { data, seed, smtpUrl } = options;
		const database = place.open(userSchema);
		const { wishlists } = await readSeed(seed);
		const users = createUsers(database, wishlists);
		const post = createPost({ database, mailer: await createMailer(smtpUrl, join(data, "mails")), clock, onFault });
		atEnd(post.close);
		await serveRpc(place, ({ service }) => {
			service(UserService, {
				updateWishlists({ key, sku, available }) {
					database.once(key, () => users.notify(sku, available));
					post.wake();
					return {};
				},
			});
		});
		return UserService.typeName;
	},

	async reorder(place) {
		const database = place.open(reorderSchema);
		const reorder = createReorder(database, place.clock.now);
		await serveRpc(place, ({ service }) => {
			service(ReorderService, {
				reviewStock({ key, sku, available, revision }) {
					database.once(key, () => reorder.review(sku, { available, revision }));
					return {};
				},
			});
		});
		return ReorderService.typeName;
	},
};

const program = createProgram("orchestration")
	.option("--reorder", "the inventory's plan has a command for the re-order service too", false)
	.option("--command-timeout-ms <ms>", "how long a command may take", integer(10, 60_000), 5_000)
	.option("--attempts-max <count>", "attempts of a command before all is taken back", integer(1, 1_000), 15)
	.argument("<service>", Object.keys(services).join(", "))
	.action((name: string, options: OrchestrationOptions) => {
		const start = services[name];
		if (start === undefined) return program.error(`error: '${name}' is no service of the orchestration`);
		return runService(name, options, (place) => start(place, options));
	});

await program.parseAsync();
