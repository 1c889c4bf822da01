import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it, vi } from 'vitest';
import { UPGRADES_PER_TURN, type SocketEngine } from '../engine/socket-engine.ts';
import { OPTIONS } from './engine-conformance.ts';
import { upgradeRequest } from './raw-connection.ts';
import { RecordingHandlers } from './recording-handlers.ts';

const CROWD = 200;
const STAY = 150;
const soon = { timeout: 15_000, interval: 5 };

/** Holds an implementation of {@link SocketEngine} to what it does when very many come in the same moment. */
export function crowdConformance(create: () => SocketEngine): void {
  it('decides a few upgrades of a crowd in each turn of the event loop, and in the end all of those that stay', async () => {
    const handlers = new RecordingHandlers();
    const listening = await create().listen(OPTIONS, handlers);
    if (!listening.ok) throw new Error(listening.error.message);
    const { port } = listening.value;
    const crowd = await Promise.all(
      Array.from({ length: CROWD }, async () => {
        const connection = connect({ port, host: '127.0.0.1' }).on('error', () => undefined);
        await once(connection, 'connect');
        return connection;
      }),
    );
    let [inTurn, most, isOver] = [0, 0, false];
    const turn = (): void => {
      inTurn = 0;
      if (!isOver) setImmediate(turn);
    };
    turn();
    const { answer } = handlers;
    handlers.answer = (asked) => {
      inTurn += 1;
      most = Math.max(most, inTurn);
      return answer(asked);
    };
    const headers = { 'Sec-WebSocket-Protocol': 'chat.v1' };
    crowd.forEach((connection, index) => connection.write(upgradeRequest({ path: `/${String(index)}`, headers })));
    await vi.waitFor(() => expect(handlers.requests.length).toBeGreaterThan(0), soon);
    // Who leaves while they wait is not asked for any more, or closed.
    for (const connection of crowd.slice(STAY)) connection.destroy();
    const staying = (): readonly string[] => [...handlers.open].map(({ context }) => context);
    const wanted = Array.from({ length: STAY }, (_, index) => `/${String(index)}`);
    await vi.waitFor(() => expect(new Set(staying())).toEqual(new Set(wanted)), soon);
    isOver = true;
    // What came between two turns, and at the end of one.
    expect(most).toBeLessThanOrEqual(2 * UPGRADES_PER_TURN);
    for (const connection of crowd) connection.destroy();
    await listening.value.close();
  }, 30_000);
}
