import { deviceTag, decodeEntry, type Ack } from '@millrace/protocol';
import type { DeviceId, UserId } from '@millrace/kernel';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AConversation } from '../testing/a-conversation.ts';

const owner = 'a' as UserId;
const user = 'b' as UserId;
const device = '1' as DeviceId;
const PIPELINE = 4;

/** A send on its way; a copy of it may still be under way when the client has its answer. */
interface Copy {
  readonly n: number;
  readonly after: number | undefined;
}

/** A device that does what docs/protocol.md says, over a network that keeps copies of what it carried. */
class Device {
  readonly conversation = new AConversation('g', { sendWindow: PIPELINE }).created([owner, user]);
  /** In order: not answered, or to be sent again. */
  readonly outbox: number[] = [];
  readonly acked = new Map<number, number>();
  readonly underWay: Copy[] = [];
  #written = 0;
  /** The last number that the server is known to have accepted. */
  #last: number | undefined;

  write(): void {
    this.outbox.push((this.#written += 1));
  }

  /** Sends the first few of the outbox, as after a new connection. */
  send(): void {
    this.outbox.slice(0, PIPELINE).forEach((n, index, all) => {
      const before = Math.max(all[index - 1] ?? -1, this.#last ?? -1);
      this.underWay.push({ n, after: before >= 0 && before < n - 1 ? before : undefined });
    });
  }

  /** The copy reaches the server. */
  arrive(at: number, keepsCopy: boolean, answerArrives: boolean): void {
    const copy = this.underWay[at % Math.max(1, this.underWay.length)];
    if (copy === undefined) return;
    if (!keepsCopy) this.underWay.splice(this.underWay.indexOf(copy), 1);
    const { n, after } = copy;
    const follows = after === undefined ? {} : { after };
    const send = {
      conversation: this.conversation.state.id,
      n,
      ...follows,
      sentAt: 1,
      type: 'text' as const,
      body: String(n),
    };
    const { reply } = this.conversation.do({ t: 'publish', by: { user, device }, send });
    if (!answerArrives || !this.outbox.includes(n)) return;
    if (reply.ok) {
      this.#take(n);
      this.acked.set(n, (reply.value as Ack).seq);
      this.#last = Math.max(this.#last ?? 0, n);
    } else if (reply.error.retry === 'never') {
      expect(reply.error.message, 'what is to be sent yet is not skipped').not.toContain('skipped');
      this.#take(n);
    } else if (reply.error.expected !== undefined) this.#last = reply.error.expected - 1;
  }

  #take(n: number): void {
    this.outbox.splice(this.outbox.indexOf(n), 1);
  }

  stored(): readonly { readonly n: number; readonly body: string; readonly seq: number }[] {
    const tag = deviceTag(user, device);
    return this.conversation.stored.entries
      .map((data, index) => ({ ...decodeEntry(data), seq: index + 1 }))
      .filter((entry) => entry.deviceTag === tag)
      .map(({ n, body, seq }) => ({ n, body: String(body), seq }));
  }
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('send' as const) }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('arrive' as const),
      at: fc.oneof(fc.constant(0), fc.nat(20)),
      keepsCopy: fc.boolean(),
      answerArrives: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('join' as const, 'kick' as const) }) },
);

it('whatever copies come late, what is acknowledged is stored once, in order, and under its own number (I4)', () => {
  let skipped = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 120, size: 'max' }), (steps) => {
      const its = new Device();
      const { conversation } = its;
      for (const each of steps) {
        if (each.do === 'write') its.write();
        else if (each.do === 'send') its.send();
        else if (each.do === 'arrive') its.arrive(each.at, each.keepsCopy, each.answerArrives);
        else if (each.do === 'join') conversation.do({ t: 'join', user });
        else conversation.do({ t: 'kick', by: owner, users: [user] });
      }
      // Then all goes well: what is in the outbox gets its answer in a few rounds.
      conversation.do({ t: 'join', user });
      const late = its.underWay.splice(0);
      for (let round = 0; its.outbox.length > 0; round += 1) {
        expect(round, 'it comes to an end').toBeLessThan(4 * steps.length);
        its.send();
        while (its.underWay.length > 0) its.arrive(0, false, true);
      }
      // And at last comes what the network had kept.
      its.underWay.push(...late);
      while (its.underWay.length > 0) its.arrive(0, false, true);
      const stored = its.stored();
      const numbers = stored.map(({ n }) => n);
      expect(numbers, 'each once, in the order of the device').toEqual([...new Set(numbers)].sort((a, b) => a - b));
      for (const { n, body } of stored) expect(body, 'a number is one message’s').toBe(String(n));
      for (const [n, seq] of its.acked) {
        expect(stored.find((entry) => entry.n === n)?.seq, 'it is where its ack says').toBe(seq);
      }
      expect(conversation.state.sent(user).count).toBe(stored.length);
      skipped += [...conversation.state.counters.entries()].reduce((sum, [, counter]) => sum + counter.skipped, 0);
    }),
    { numRuns: 600 },
  );
  expect(skipped, 'numbers were skipped on the way').toBeGreaterThan(100);
});
