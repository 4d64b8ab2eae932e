/** How many of these, from the first one on, are of no more than `max` together; one at least, where there is one. */
export function howManyFit<Item>(items: readonly Item[], sizeOf: (item: Item) => number, max: number): number {
	let size = 0;
	const past = items.findIndex((item, i) => {
		size += sizeOf(item);
		return i > 0 && size > max;
	});
	return past === -1 ? items.length : past;
}
