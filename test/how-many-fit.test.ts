import { expect, test } from "vitest";
import { howManyFit } from "../src/how-many-fit.ts";

test.each([
	[[], 0],
	[[1, 2, 3], 3],
	[[1, 2, 4], 2],
	[[6, 1], 1],
	[[7], 1],
	[[7, 1], 1],
])("of %j so many fit into six: %i", (sizes, count) => expect(howManyFit(sizes, (size) => size, 6)).toBe(count));
