// How much a service runs on made-up payments before it lets callers in: it ends at whichever bound comes first.
export interface WarmUpBounds {
	readonly ms: number;
	readonly payments: number;
}
