import { err, ok, type Result } from '@millrace/kernel';
import type { RebuildStatus } from '@millrace/messaging';
import type { IndexRebuild } from '../ports.ts';

type Control = NonNullable<ReturnType<IndexRebuild>>;
type Answered = Awaited<ReturnType<Control['status']>>;

/** A search index whose making does not get on. */
export class MemoryRebuild implements Control {
  isRebuilding = false;
  isDown = false;

  get #answer(): Answered {
    const status: RebuildStatus = { isRebuilding: this.isRebuilding, partitions: 4, done: this.isRebuilding ? 1 : 4 };
    const answer: Result<RebuildStatus, never> = ok(status);
    return this.isDown
      ? err({ code: 'unavailable', retry: 'backoff', message: 'It is away.', whatToDo: 'Wait for it.' })
      : answer;
  }

  status = (): Promise<Answered> => Promise.resolve(this.#answer);

  begin = (): Promise<Answered> => {
    this.isRebuilding = true;
    return this.status();
  };

  abandon = (): Promise<Answered> => {
    this.isRebuilding = false;
    return this.status();
  };
}
