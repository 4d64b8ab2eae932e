// Server reflection (grpc.reflection.v1): tells tools the schema of what is served, so that they need none of their own.
import {
	createRegistry,
	type DescExtension,
	type DescFile,
	type DescMessage,
	type DescService,
	type MessageInitShape,
	type Registry,
	toBinary,
} from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
	ServerReflection,
	type ServerReflectionRequest,
	type ServerReflectionResponseSchema,
} from "../gen/grpc/reflection/v1/reflection_pb.ts";
import type { Routes } from "./carrier.ts";

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

/** Questions on one stream; a tool asks a handful. */
const questionsMax = 1000;

/** Adds reflection over these services and everything that their files import; it lists itself too. */
export function reflectionRoutes(services: readonly DescService[]): Routes {
	const served = [...services, ServerReflection];
	const files = new Map<string, DescFile>();
	for (const { file } of served) addWithImports(file, files);
	const schema: Schema = {
		services: served.map((service) => service.typeName).sort(),
		files,
		symbols: symbolsOf(files.values()),
		registry: createRegistry(...files.values()),
	};
	return (router) => {
		router.service(ServerReflection, {
			async *serverReflectionInfo(requests) {
				let questions = 0;
				for await (const originalRequest of requests) {
					if (++questions > questionsMax) throw new ConnectError("too many questions", Code.ResourceExhausted);
					const { host: validHost } = originalRequest;
					yield { validHost, originalRequest, messageResponse: answer(originalRequest, schema) };
				}
			},
		});
	};
}

interface Schema {
	readonly services: readonly string[];
	readonly files: ReadonlyMap<string, DescFile>;
	readonly symbols: ReadonlyMap<string, DescFile>;
	readonly registry: Registry;
}

function answer({ messageRequest: asked }: ServerReflectionRequest, schema: Schema): Answer {
	switch (asked.case) {
		case "listServices":
			return { case: "listServicesResponse", value: { service: schema.services.map((name) => ({ name })) } };
		case "fileByFilename":
			return fileAnswer(schema.files.get(asked.value), asked.value);
		case "fileContainingSymbol":
			return fileAnswer(schema.symbols.get(asked.value), asked.value);
		case "fileContainingExtension": {
			const { containingType, extensionNumber } = asked.value;
			const found = extensionsOf(containingType, schema.registry).find((one) => one.number === extensionNumber);
			return fileAnswer(found?.file, `${containingType} ${extensionNumber}`);
		}
		case "allExtensionNumbersOfType": {
			const baseTypeName = asked.value;
			if (!schema.registry.getMessage(baseTypeName)) return notFound(baseTypeName);
			const extensionNumber = extensionsOf(baseTypeName, schema.registry).map((one) => one.number);
			return { case: "allExtensionNumbersResponse", value: { baseTypeName, extensionNumber } };
		}
		default:
			return {
				case: "errorResponse",
				value: { errorCode: Code.InvalidArgument, errorMessage: "nothing was asked" },
			};
	}
}

/** The file and all that it imports, so that one question is enough. */
function fileAnswer(file: DescFile | undefined, what: string): Answer {
	if (!file) return notFound(what);
	const files = new Map<string, DescFile>();
	addWithImports(file, files);
	const fileDescriptorProto = [...files.values()].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
	return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function notFound(what: string): Answer {
	return { case: "errorResponse", value: { errorCode: Code.NotFound, errorMessage: `not found: ${what}` } };
}

/** By the name in the file's own descriptor, which its importers use. */
function addWithImports(file: DescFile, into: Map<string, DescFile>): void {
	if (into.has(file.proto.name)) return;
	into.set(file.proto.name, file);
	for (const imported of file.dependencies) addWithImports(imported, into);
}

function symbolsOf(files: Iterable<DescFile>): Map<string, DescFile> {
	const symbols = new Map<string, DescFile>();
	for (const file of files) {
		for (const type of nestedTypes(file)) {
			symbols.set(type.typeName, file);
			for (const member of membersOf(type)) symbols.set(`${type.typeName}.${member}`, file);
		}
	}
	return symbols;
}

function membersOf(type: ReturnType<typeof nestedTypes> extends Iterable<infer T> ? T : never): string[] {
	if (type.kind === "service") return type.methods.map((method) => method.name);
	if (type.kind === "message") return (type as DescMessage).fields.map((field) => field.name);
	return [];
}

function extensionsOf(typeName: string, registry: Registry): DescExtension[] {
	return [...registry].filter(
		(type) => type.kind === "extension" && type.extendee.typeName === typeName,
	) as DescExtension[];
}
