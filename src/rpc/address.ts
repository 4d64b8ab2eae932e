// Where a server listens: a TCP address `host:port`, or the path of a unix socket `unix:PATH`.

export type TcpAddress = { readonly host: string; readonly port: number };
export type Address = TcpAddress | { readonly path: string };

/** Throws a RangeError that names what was expected. An IPv6 host is written in brackets. */
export function parseAddress(text: string): Address {
	if (text.startsWith("unix:") && text.length > "unix:".length) return { path: text.slice("unix:".length) };
	const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/]+)):(\d{1,5})$/.exec(text) ?? [];
	const host = bracketed ?? plain;
	const port = Number(digits);
	if (host === undefined || !(port <= 65535))
		throw new RangeError(`'${text}' is not an address. Expected host:port or unix:PATH.`);
	return { host, port };
}

export function formatAddress(address: Address): string {
	if ("path" in address) return `unix:${address.path}`;
	return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}
