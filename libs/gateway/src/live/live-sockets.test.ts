import type { UserId } from '@millrace/kernel';
import type { Encoding } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SocketEngine } from '../engine/socket-engine.ts';
import type { Gateway } from '../gateway.ts';
import { closes, headAt, liveEntries, opens, tea } from '../testing/live-entries.ts';
import { onEachEngine, realGateway } from '../testing/real-gateway.ts';
import { SocketClient, until } from '../testing/socket-client.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The positions `prev>seq` of the live frames, each dense in itself. */
const lives = (client: SocketClient): readonly (readonly [prev: number, seq: number])[] =>
  client.got('live').map(({ prev, seq, messages }) => {
    expect(messages.map((message) => Number(message.seq))).toEqual(
      Array.from({ length: seq - prev }, (_, index) => prev + 1 + index),
    );
    return [prev, seq];
  });

const isDense = (frames: readonly (readonly [number, number])[]): boolean =>
  frames.every(([prev], index) => index === 0 || frames[index - 1]?.[1] === prev);

function liveOver(name: string, create: () => SocketEngine): void {
  describe(`conversations in read mode, to real sockets on ${name}`, () => {
    let gateway: Gateway;
    const clients: SocketClient[] = [];

    beforeEach(async () => {
      gateway = await realGateway(create());
    });

    afterEach(async () => {
      for (const { socket } of clients.splice(0)) socket.terminate();
      await gateway.close();
    });

    /** A device of a member that shows the conversation. */
    async function member(user: string, encoding: Encoding): Promise<SocketClient> {
      const client = await new SocketClient(gateway.port, encoding).open(user);
      clients.push(client);
      gateway.live.entered(tea, [user as UserId], headAt(0));
      client.says(opens(2));
      await until(() => expect(client.got('ok')).toHaveLength(1));
      return client;
    }

    let head = 0;
    const append = (body: string, count = 1): void => {
      gateway.live.live(tea, liveEntries(head + 1, head + count, body));
      head += count;
      gateway.live.at(tea, headAt(head));
    };
    beforeEach(() => {
      head = 0;
    });

    it('come to everybody once, in order, in both encodings, and up to a leave', async () => {
      const all: SocketClient[] = [];
      for (let index = 0; index < 6; index += 1) {
        all.push(await member(`user-${String(index)}`, index % 2 === 0 ? 'json' : 'binary'));
      }
      const [leaver, closer, ...others] = all;
      for (let round = 0; round < 60; round += 1) {
        append(`hello 水 ${String(round)}`, 1 + (round % 3));
        if (round === 30) gateway.live.left(tea, ['user-0' as UserId]);
        if (round % 7 === 0) await nextTurn();
      }
      const last = head;
      await until(() => {
        for (const client of others) expect(lives(client).at(-1)?.[1]).toBe(last);
      });
      for (const client of others) {
        const frames = lives(client);
        expect([frames[0]?.[0], isDense(frames)]).toEqual([0, true]);
        const seen = client.got('live').flatMap(({ messages }) => messages.map(({ seq }) => Number(seq)));
        expect(seen).toEqual(Array.from({ length: last }, (_, index) => index + 1));
      }
      // 31 rounds of 1, 2, 3, 1, …
      expect(lives(leaver as SocketClient).at(-1)?.[1]).toBe(61);
      closer?.says(closes(3));
      await until(() => expect(closer?.got('ok')).toHaveLength(2));
      append('one more');
      await until(() => expect(lives(others[0] as SocketClient).at(-1)?.[1]).toBe(last + 1));
      expect(lives(closer as SocketClient).at(-1)?.[1]).toBe(last);
      await until(() => expect(closer?.got('heads').at(-1)?.heads).toMatchObject([{ seq: last + 1 }]));
    });

    it('pass over a device that does not read, in bounded memory, and tell it what it lacks when it reads (I9)', async () => {
      const slow = await member('slow', 'binary');
      const quick = await member('quick', 'json');
      slow.socket.pause();
      const body = 'x'.repeat(20_000);
      // More than the system itself takes for a peer that does not read.
      await until(() => {
        for (let count = 0; count < 20; count += 1) append(body);
        expect(head).toBeGreaterThanOrEqual(2_000);
      });
      await until(() => expect(lives(quick).at(-1)?.[1]).toBe(head));
      expect(isDense(lives(quick))).toBe(true);
      slow.socket.resume();
      await until(() => expect(slow.got('heads').at(-1)?.heads).toMatchObject([{ seq: head }]));
      const before = lives(slow);
      expect([before[0]?.[0], isDense(before)]).toEqual([0, true]);
      expect(before.at(-1)?.[1]).toBeLessThan(head);
      // It pulls what lies between, and goes on.
      const resumedAt = head;
      append('after');
      await until(() => expect(lives(slow).at(-1)).toEqual([resumedAt, resumedAt + 1]));
      expect(slow.closedWith).toBe(null);
    }, 60_000);
  });
}

onEachEngine(liveOver);
