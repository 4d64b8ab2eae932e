// The settings that stores are tested with.
import type { StoreSettings } from "../../../src/cache/store/store.ts";
import { doubt } from "./payments.ts";

export const storeSettings: StoreSettings = {
	leaseMs: 1_000,
	reclaimMs: 500,
	queueMax: 20,
	inFlightMax: 3,
	pollGapMs: 5_000,
	doubt,
};
