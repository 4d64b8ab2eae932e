// ECMAScript's "JSON.parse source text access", which TypeScript's library does not declare yet.

interface JSON {
	/** `source`: the text of a primitive value. */
	parse(
		text: string,
		reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
	): unknown;
	/** For `stringify`: written as it is. */
	rawJSON(text: string): unknown;
}
