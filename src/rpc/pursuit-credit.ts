// What both ends of a stream of jobs hold to about its credit for payments in doubt, as the contract has it.

/** Those of one processor take this part of it at most, rounded up: a dead one's hold up nobody else's. */
export const oneProcessorsPart = 2 / 3;
