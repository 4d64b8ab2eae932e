// How the relay's own clients tell its servers that a connection is for their streams only.
//
// By a setting of those that are reserved for experiments (RFC 9113, section 11.3); other servers ignore it, as they must.
import { decodeSettings, encodeSettings, preface, type } from "./frame.ts";

export const mark: readonly [id: number, value: number] = [0xf9a1, 1];

const headBytes = encodeSettings([]).length;
/** Of the first frame; ours has four settings. */
const settingsMaxBytes = 6 * 16;

/** Whether a connection that begins so is marked; `undefined` while too little of it has come to tell. */
export function isMarked(begun: Buffer): boolean | undefined {
	const common = Math.min(begun.length, preface.length);
	if (begun.compare(preface, 0, common, 0, common) !== 0) return false;
	const head = begun.subarray(preface.length);
	if (head.length < headBytes) return undefined;
	const length = head.readUIntBE(0, 3);
	if (head[3] !== type.settings || length > settingsMaxBytes) return false;
	if (head.length < headBytes + length) return undefined;
	const settings = decodeSettings(head.subarray(headBytes, headBytes + length));
	return settings?.some(([id, value]) => id === mark[0] && value === mark[1]) ?? false;
}
