// The identity service as Connect serves and calls it, whatever carries it.
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import type { Routes, RpcClient } from "../../../src/rpc/carrier.ts";
import { IdentityService } from "../gen/identity/v1/identity_pb.ts";
import { InvalidToken } from "../token.ts";
import type { Caller, Verify } from "../way.ts";

export function identityRoutes(verify: Verify): Routes {
	return (router) =>
		router.service(IdentityService, {
			verifyToken({ token }) {
				try {
					const { userId, email, roles, expiresAt } = verify(token);
					return { userId, email, roles: [...roles], expiresAt: timestampFromDate(expiresAt) };
				} catch (error) {
					throw error instanceof InvalidToken ? new ConnectError(error.message, Code.Unauthenticated) : error;
				}
			},
		});
}

export function identityCaller({ transport, close }: RpcClient): Caller {
	const client = createClient(IdentityService, transport);
	return {
		async verifyToken(token) {
			try {
				const { userId, email, roles, expiresAt } = await client.verifyToken({ token });
				return { userId, email, roles, expiresAt: timestampDate(expiresAt!) };
			} catch (error) {
				if (error instanceof ConnectError && error.code === Code.Unauthenticated)
					throw new InvalidToken(error.rawMessage);
				throw error;
			}
		},
		async close() {
			await close();
		},
	};
}

/** A fault of the server's own: it goes to the error output. */
export function reportFault(error: unknown, what: string): void {
	process.stderr.write(`${what}: ${error}\n`);
}
