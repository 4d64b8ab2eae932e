import { Command } from "commander";
import { expect, test } from "vitest";
import { addSettings, readSettings } from "../../src/config.ts";
import { consumerDefaults } from "../../src/consumer/settings.ts";

test("a consumer that is started without settings has the defaults that are judged in simulated time", () => {
	const started = readSettings(addSettings(new Command()).parse([], { from: "user" }));
	const { workersMax, pursuitWorkersMax, route, deadline } = consumerDefaults;
	expect(started).toMatchObject({
		workers: workersMax,
		pursuitWorkers: pursuitWorkersMax,
		patienceMs: route.patienceMs,
		chargeDeadlineMinMs: deadline.chargeMinMs,
		chargeDeadlineMaxMs: deadline.chargeMaxMs,
	});
});
