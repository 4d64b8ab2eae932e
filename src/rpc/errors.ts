// What a caller is told of an error: what a service meant to say; of everything else a fixed text, and the log the rest.
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { mapMessages } from "./map-messages.ts";

/** Takes what callers are not told: an error that nobody meant to give, and the method, `package.Service/Method`. */
export type FaultLog = (error: unknown, method: string) => void;

/** Codes that say that something of ours broke; whatever text comes with them is for us. */
const ours: ReadonlySet<Code> = new Set([Code.Internal, Code.Unknown, Code.DataLoss]);

/** To be the outermost of those that can fail. */
export function errorInterceptor(log: FaultLog): Interceptor {
	return (next) => async (request) => {
		const { method, signal } = request;
		const told = (error: unknown): ConnectError => {
			const meant = meantForCallers(error, signal);
			if (meant) return meant;
			log(error, `${method.parent.typeName}/${method.name}`);
			return new ConnectError("internal error", Code.Internal);
		};
		try {
			const response = await next(request);
			return response.stream ? { ...response, message: mapMessages(response.message, pass, told) } : response;
		} catch (error) {
			throw told(error);
		}
	};
}

function pass(): void {}

/** `undefined` for what is ours to know. An error of a service behind this one was not meant for this one's callers. */
function meantForCallers(error: unknown, signal: AbortSignal): ConnectError | undefined {
	if (error instanceof ConnectError) return error.isWireError || ours.has(error.code) ? undefined : error;
	const aborted = signal.aborted && (error === signal.reason || isNamed(error, "AbortError"));
	if (aborted && signal.reason instanceof ConnectError) return signal.reason;
	if (isNamed(error, "TimeoutError")) return new ConnectError("the deadline has passed", Code.DeadlineExceeded);
	if (aborted || isCut(error)) return new ConnectError("the call was canceled", Code.Canceled);
	return undefined;
}

/** Node's words for a request whose caller has gone in the middle of it. */
function isCut(error: unknown): boolean {
	const { code } = (error ?? {}) as NodeJS.ErrnoException;
	return code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ECONNRESET";
}

function isNamed(error: unknown, name: string): boolean {
	return error instanceof Error && error.name === name;
}
