import type { Timers } from '@millrace/kernel';

/** Rejects when there is no answer in time; one that comes later is dropped, whatever it is. */
export function answerWithin<T>(timers: Timers, msMax: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = timers.after(msMax, () => {
      reject(new Error(`no answer within ${String(msMax)} ms`));
    });
    answer.then(resolve, reject).finally(cancel);
  });
}
