// Gives one meaning to a connection that is lost: UNAVAILABLE, whatever node:http2 and connect-es make of it.
//
// They say INTERNAL where a socket file is missing or a session was destroyed, ABORTED after a reset, CANCELED after
// RST_STREAM by a server that closes, INVALID_ARGUMENT ("missing EndStreamResponse") after a clean cut.
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

const always: ReadonlySet<Code> = new Set([Code.Canceled, Code.Aborted, Code.InvalidArgument]);
const withSystemError: ReadonlySet<Code> = new Set([Code.Internal, Code.Unknown]);

/** For clients' single calls. What the server said, and what the caller itself ended, stays as it is. */
export const lostConnection: Interceptor = (next) => async (request) => {
	const told = (error: unknown): unknown => {
		if (request.signal.aborted) return error;
		// A system's own error has not become a ConnectError yet where it came while an answer was read.
		const { code, rawMessage, cause, isWireError } = error instanceof ConnectError ? error : ConnectError.from(error);
		const lost = always.has(code) || (withSystemError.has(code) && hasSystemCode(cause));
		return lost && !isWireError ? new ConnectError(rawMessage, Code.Unavailable, undefined, undefined, error) : error;
	};
	try {
		return await next(request);
	} catch (error) {
		throw told(error);
	}
};

function hasSystemCode(cause: unknown): boolean {
	return cause instanceof Error && "code" in cause && typeof cause.code === "string";
}
