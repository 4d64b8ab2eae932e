// Refuses requests that break a rule of the contract, at the edge of a service: INVALID_ARGUMENT, with the violations.
import { create, type DescMessage, type DescService, type Message } from "@bufbuild/protobuf";
import { createValidator, type Validator, type Violation, violationsToProto } from "@bufbuild/protovalidate";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { mapMessages } from "./map-messages.ts";

/** Violations that a caller is told; a batch of 1,024 can have thousands. */
export const violationsMax = 32;
/** Those of them that the error's text spells out; all are in its detail, `buf.validate.Violations`. */
const violationsInTextMax = 3;

export interface Validation {
	readonly interceptor: Interceptor;
	/** Plans the rules of all requests of these services, which costs the first call tens of ms. */
	warm(services: readonly DescService[]): void;
}

/** About 0.4 us an item of a batch; 0.8 us a settlement, which is two messages. */
export function createValidation(): Validation {
	const validator = createValidator();
	return {
		interceptor: (next) => (request) => {
			const { input } = request.method;
			if (request.stream) {
				const message = mapMessages(request.message, (message) => check(validator, input, message));
				return next({ ...request, message });
			}
			check(validator, input, request.message);
			return next(request);
		},
		warm(services) {
			for (const service of services) {
				for (const { input } of service.methods) validator.validate(input, create(input));
			}
		},
	};
}

function check(validator: Validator, schema: DescMessage, message: Message): void {
	const result = validator.validate(schema, message);
	if (result.kind === "invalid") throw refusal(result.violations);
	if (result.kind === "error") throw result.error;
}

function refusal(violations: readonly Violation[]): ConnectError {
	const told = violations.slice(0, violationsMax);
	const texts = told.slice(0, violationsInTextMax).map(String);
	if (violations.length > texts.length) texts.push(`and ${violations.length - texts.length} more`);
	const [value, desc] = violationsToProto(told);
	return new ConnectError(texts.join("; "), Code.InvalidArgument, undefined, [{ desc, value }]);
}
