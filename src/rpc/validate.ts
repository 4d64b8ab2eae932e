// Refuses requests that break a rule of the contract, at the edge of a service: INVALID_ARGUMENT, with the violations. So are
// messages of a stream that cannot be read at all; of those of single calls readable.ts tells, as no interceptor sees them.
import { create, type DescMessage, type DescService, type Message } from "@bufbuild/protobuf";
import { createValidator, type Validator, type Violation, violationsToProto } from "@bufbuild/protovalidate";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { mapMessages } from "./map-messages.ts";
import { surelyValid } from "./surely-valid.ts";

/** Violations that a caller is told; a batch of 1,024 can have thousands. */
export const violationsMax = 32;
/** Those of them that the error's text spells out; all are in its detail, `buf.validate.Violations`. */
const violationsInTextMax = 3;

export interface Validation {
	readonly interceptor: Interceptor;
	/** Plans the rules of all requests of these services, which costs the first call tens of ms. */
	warm(services: readonly DescService[]): void;
}

/**
 * About 0.15 us an item of a batch that is in order, and 0.2 us a settlement, which is two messages; 0.7 and 1.8 us where
 * the validator has to look. In a process that runs as the image does, without the last of the runtime's compilers.
 */
export function createValidation(): Validation {
	const validator = createValidator();
	return {
		interceptor: (next) => (request) => {
			const check = checkFor(validator, request.method.input);
			if (request.stream) return next({ ...request, message: mapMessages(request.message, check, unreadable) });
			check(request.message);
			return next(request);
		},
		warm(services) {
			for (const service of services) {
				for (const { input } of service.methods) validator.validate(input, create(input));
			}
		},
	};
}

function checkFor(validator: Validator, schema: DescMessage): (message: Message) => void {
	const isSurelyValid = surelyValid(schema);
	return (message) => {
		if (isSurelyValid?.(message)) return;
		const result = validator.validate(schema, message);
		if (result.kind === "invalid") throw refusal(result.violations);
		if (result.kind === "error") throw result.error;
	};
}

/** A stream's messages break at their caller's end: INTERNAL, as connect-es says of one that cannot be read, is not ours. */
function unreadable(error: unknown): unknown {
	if (!(error instanceof ConnectError) || error.code !== Code.Internal) return error;
	return new ConnectError(error.rawMessage, Code.InvalidArgument, undefined, undefined, error.cause);
}

function refusal(violations: readonly Violation[]): ConnectError {
	const told = violations.slice(0, violationsMax);
	const texts = told.slice(0, violationsInTextMax).map(String);
	if (violations.length > texts.length) texts.push(`and ${violations.length - texts.length} more`);
	const [value, desc] = violationsToProto(told);
	return new ConnectError(texts.join("; "), Code.InvalidArgument, undefined, [{ desc, value }]);
}
