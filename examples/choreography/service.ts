// One service of the choreography, named by the first word of the command.
import { join } from "node:path";
import { catalogSchema, createCatalog } from "../warehouse/catalog.ts";
import { createMailer } from "../warehouse/mail.ts";
import { createProgram, type Options } from "../warehouse/options.ts";
import { createPost } from "../warehouse/post.ts";
import { createReorder, reorderSchema } from "../warehouse/reorder.ts";
import { readSeed } from "../warehouse/seed.ts";
import { type Place, runService } from "../warehouse/service.ts";
import { createUsers, userSchema } from "../warehouse/user.ts";
import { startInventory } from "./inventory.ts";
import { subscribe } from "./subscriber.ts";
import { eventQueue } from "./topology.ts";

interface ChoreographyOptions extends Options {
	/** Separated by commas. */
	readonly queues: string;
}

const services: Readonly<Record<string, (place: Place, options: ChoreographyOptions) => Promise<string>>> = {
	inventory: (place, { queues }) =>
		startInventory(
			place,
			queues.split(",").filter((name) => name !== ""),
		),

	async catalog(place) {
		const database = place.open(catalogSchema);
		const { discontinued } = await readSeed(place.options.seed);
		const catalog = createCatalog(database, discontinued, place.clock.now);
		await subscribe(place, {
			service: "catalog",
			knows: database.knows,
			decide: ({ id, sku }, stock) =>
				database.once(id, () => {
					if (catalog.carries(sku)) catalog.mark(sku, stock);
				}),
		});
		return eventQueue(place.options.namespace, "catalog");
	},

	async user(place) {
		const { options, clock, onFault, atEnd } = place;
		const { data, seed, smtpUrl, namespace } = options;
		const database = place.open(userSchema);
		const { wishlists } = await readSeed(seed);
		const users = createUsers(database, wishlists);
		const post = createPost({ database, mailer: await createMailer(smtpUrl, join(data, "mails")), clock, onFault });
		atEnd(post.close);
		await subscribe(place, {
			service: "user",
			knows: database.knows,
			decide({ id, sku }, { available }) {
				database.once(id, () => users.notify(sku, available));
				post.wake();
			},
		});
		return eventQueue(namespace, "user");
	},

	async reorder(place) {
		const database = place.open(reorderSchema);
		const reorder = createReorder(database, place.clock.now);
		await subscribe(place, {
			service: "reorder",
			knows: database.knows,
			decide: ({ id, sku }, stock) => database.once(id, () => reorder.review(sku, stock)),
		});
		return eventQueue(place.options.namespace, "reorder");
	},
};

const program = createProgram("choreography")
	.option(
		"--queues <services>",
		"services that the inventory tells by name, with commas between; none: the exchange",
		"",
	)
	.argument("<service>", Object.keys(services).join(", "))
	.action((name: string, options: ChoreographyOptions) => {
		const start = services[name];
		if (start === undefined) return program.error(`error: '${name}' is no service of the choreography`);
		return runService(name, options, (place) => start(place, options));
	});

await program.parseAsync();
