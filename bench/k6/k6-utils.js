// Stands in for jslib's k6-utils.
export function uuidv4() {
	return crypto.randomUUID();
}
