import { err, ok, seededRandom, type Result, type UserId } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import type { AnswerTo, RequestContent, SessionError } from '@millrace/raw-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { SessionPool, type PooledSession } from './session-pool.ts';

const user = (name: string): UserId => name as UserId;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class FakeSession implements PooledSession {
  isOpen = true;
  readonly name: string;
  readonly #onClose: () => void;

  constructor(name: string, onClose: () => void) {
    this.name = name;
    this.#onClose = onClose;
  }

  request<Request extends RequestContent>(): Promise<Result<AnswerTo<Request>, SessionError>> {
    return Promise.resolve(ok({ name: this.name } as unknown as AnswerTo<Request>));
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#onClose();
  }
}

let opened: string[];
let open: Set<FakeSession>;
let openMost: number;
let refuse: SessionError | null;
beforeEach(() => {
  opened = [];
  open = new Set();
  openMost = 0;
  refuse = null;
});

function poolOf(openMax: number): SessionPool {
  return new SessionPool(openMax, async (name, onClose) => {
    opened.push(name);
    await turn();
    if (refuse !== null) return err(refuse);
    const session = new FakeSession(name, () => {
      open.delete(session);
      onClose();
    });
    open.add(session);
    openMost = Math.max(openMost, open.size);
    return ok(session);
  });
}

const ping = { t: 'ping' } as const;

describe('a pool of connections', () => {
  it('opens one for each user, and shares it with all who ask meanwhile (P1)', async () => {
    const pool = poolOf(10);
    const names = ['ada', 'bob', 'ada', 'ada', 'bob'];
    const answers = await Promise.all(names.map((name) => pool.request(user(name), ping)));
    expect(answers.map((answer) => (answer.ok ? answer.value : null))).toEqual(names.map((name) => ({ name })));
    expect(opened).toEqual(['ada', 'bob']);
    expect(pool.open).toBe(2);
  });

  it('closes the one that was not used for longest to make room (P2)', async () => {
    const pool = poolOf(2);
    for (const name of ['ada', 'bob', 'ada', 'eve', 'ada', 'bob']) await pool.request(user(name), ping);
    expect(opened).toEqual(['ada', 'bob', 'eve', 'bob']);
    expect([...open].map(({ name }) => name)).toEqual(['ada', 'bob']);
  });

  it('lets who comes too many wait until a connection is not in use (P2)', async () => {
    const pool = poolOf(1);
    let finish: () => void = () => undefined;
    const long = pool.use(user('ada'), async () => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return ok('ada');
    });
    await turn();
    await turn();
    let isAnswered = false;
    const other = pool.request(user('bob'), ping).then((answer) => {
      isAnswered = true;
      return answer;
    });
    await turn();
    await turn();
    expect(isAnswered).toBe(false);
    finish();
    expect(await long).toEqual(ok('ada'));
    expect((await other).ok).toBe(true);
  });

  it('opens another one for a user whose connection was lost', async () => {
    const pool = poolOf(2);
    await pool.request(user('ada'), ping);
    for (const session of open) session.close();
    expect(pool.open).toBe(0);
    expect((await pool.request(user('ada'), ping)).ok).toBe(true);
    expect(opened).toEqual(['ada', 'ada']);
  });

  it('gives the place of one that could not be opened to the next', async () => {
    const pool = poolOf(1);
    refuse = { kind: 'refused', error: frameError('overloaded', 'later') };
    expect(await pool.request(user('ada'), ping)).toEqual(err(refuse));
    refuse = null;
    expect((await pool.request(user('bob'), ping)).ok).toBe(true);
  });

  it('never holds more than it may, loses nobody, and ends empty, whatever comes in whatever order (P2)', async () => {
    const random = seededRandom(11);
    const pool = poolOf(5);
    const asks = Array.from({ length: 500 }, async (_, index) => {
      for (let wait = random.uint32() % 20; wait > 0; wait -= 1) await turn();
      if (index % 50 === 0) for (const session of [...open]) if (random.uint32() % 2 === 0) session.close();
      const name = `u${String(random.uint32() % 30)}`;
      // A connection may be closed to make room before it was used at all: that is told, and asked again.
      for (;;) {
        const answer = await pool.use(user(name), async (session) => {
          await turn();
          return session.request(ping);
        });
        if (answer.ok) return;
      }
    });
    await Promise.all(asks);
    expect(openMost).toBeLessThanOrEqual(5);
    expect(openMost).toBeGreaterThan(1);
    pool.close();
    expect([pool.open, open.size]).toEqual([0, 0]);
  });
});
