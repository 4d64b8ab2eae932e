// How much of a stream may be on its way: the sender waits until the reader has read.

export interface SendWindow {
	/** Resolves when so much may be sent. What is larger than the whole window goes alone. */
	take(bytes: number): Promise<void> | undefined;
	give(bytes: number): void;
	/** Lets nobody wait any more. */
	open(): void;
}

export function createSendWindow(sizeBytes: number): SendWindow {
	let underWay = 0;
	let opened = false;
	let wake = () => {};
	const fits = (bytes: number) => opened || underWay === 0 || underWay + bytes <= sizeBytes;

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
