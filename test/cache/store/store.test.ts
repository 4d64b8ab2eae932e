// The store keeps its promises on every medium.
import { media, storeOn } from "./media.ts";
import { testPurge } from "./purge-contract.ts";
import { testStore } from "./store-contract.ts";

for (const [name, createMedium] of media) {
	testStore(name, () => storeOn(createMedium()));
	testPurge(name, () => storeOn(createMedium()));
}
