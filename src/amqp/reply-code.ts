// For what the broker closes a channel, as far as it matters here (AMQP 0-9-1, section 1.1: reply codes).
export const replyCode = { notFound: 404, resourceLocked: 405 } as const;

export function closedFor(error: unknown, why: keyof typeof replyCode): boolean {
	return (error as { readonly code?: unknown }).code === replyCode[why];
}
