// Answers that were given, by the request's key, so that a request that recurs is answered again and not carried out again.

export interface Remembered<T> {
	/** The answer to this key, made now if it is not remembered; those who ask while it is made get the same one. */
	once(key: string, make: () => Promise<T>): { readonly answer: Promise<T>; readonly recurred: boolean };
}

/** Keeps the `answersMax` youngest. What fails is forgotten, so that it can be tried again. */
export function rememberAnswers<T>(answersMax: number): Remembered<T> {
	const answers = new Map<string, Promise<T>>();
	return {
		once(key, make) {
			const known = answers.get(key);
			if (known !== undefined) return { answer: known, recurred: true };
			const answer = make();
			answers.set(key, answer);
			answer.catch(() => answers.delete(key));
			for (const oldest of answers.keys()) {
				if (answers.size <= answersMax) break;
				answers.delete(oldest);
			}
			return { answer, recurred: false };
		},
	};
}
