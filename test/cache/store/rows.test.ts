// Every medium keeps rows as the engine relies on.
import { media } from "./media.ts";
import { testRows } from "./rows-contract.ts";

for (const [name, createMedium] of media) testRows(name, createMedium);
