// How much of a stream may be on its way: the sender waits until the reader has read.

export interface SendWindow {
	/** Resolves when so much may be sent. */
	take(bytes: number): Promise<void> | undefined;
	give(bytes: number): void;
	/** Lets nobody wait any more. */
	open(): void;
}

/** Whether more has come, and is unread, than a sender that keeps to its window sends; `lastBytes`: what came last. */
export function exceedsWindow(sizeBytes: number, unreadBytes: number, lastBytes: number): boolean {
	return unreadBytes > sizeBytes && unreadBytes - lastBytes >= sizeBytes / 2;
}

export function createSendWindow(sizeBytes: number): SendWindow {
	let underWay = 0;
	let opened = false;
	let wake = () => {};
	// A reader may leave up to half of the window unreported: no message, however large, is to wait for that.
	const fits = (bytes: number) => opened || underWay < sizeBytes / 2 || underWay + bytes <= sizeBytes;

	async function wait(bytes: number): Promise<void> {
		while (!fits(bytes))
			await new Promise<void>((resolve) => {
				wake = resolve;
			});
		underWay += bytes;
	}

	return {
		take(bytes) {
			if (!fits(bytes)) return wait(bytes);
			underWay += bytes;
			return undefined;
		},
		give(bytes) {
			underWay = Math.max(0, underWay - bytes);
			wake();
		},
		open() {
			opened = true;
			wake();
		},
	};
}
