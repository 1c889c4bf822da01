import type { Timers } from '@millrace/kernel';

/** No answer came in time. What was asked may still happen. */
export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded';
}

/** Rejects with {@link DeadlineExceeded} when `answer` has not settled after `delayMs`; a later answer is dropped. */
export function answerWithin<T>(timers: Timers, delayMs: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = timers.after(delayMs, () => {
      reject(new DeadlineExceeded(`Redis gave no answer within ${String(delayMs)} ms`));
    });
    answer.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error: unknown) => {
        cancel();
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}
