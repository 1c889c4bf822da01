import { sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import type { ServerFrame } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { closes, headAt, liveEntries, opens, tea } from '../testing/live-entries.ts';
import type { MemoryPeer } from '../testing/memory-engine.ts';
import { testGateway, type TestGateway } from '../testing/test-gateway.ts';

const [ann, bob] = ['ann', 'bob'] as [UserId, UserId];
const HINT_MS = 500;
const QUIET_MS = 15_000;

/** `8>9` for a live frame, `tea@9` for a conversation that stands there. */
const told = (peer: MemoryPeer): readonly string[] =>
  peer.frames.flatMap((frame: ServerFrame) => {
    if (frame.t === 'live') {
      expect(frame.messages.map(({ seq }) => Number(seq))).toEqual(
        frame.messages.map((_, index) => frame.prev + 1 + index),
      );
      return [`${String(frame.prev)}>${String(frame.seq)}`];
    }
    return frame.t === 'heads' ? frame.heads.map(({ conversation, seq }) => `${conversation}@${String(seq)}`) : [];
  });

/** What the node tells of entries that came. */
function append({ gateway: { live } }: TestGateway, from: number, to = from, body = 'hi'): void {
  live.live(tea, liveEntries(from, to, body));
  live.at(tea, headAt(to));
}

async function inRoom(settings: Parameters<typeof testGateway>[0] = {}) {
  const stage = await testGateway(settings);
  const [annsPhone, bobs] = [await stage.connect('ann', 'phone'), await stage.connect('bob', 'phone', 'binary')];
  stage.gateway.live.entered(tea, [ann, bob], headAt(5));
  await stage.time.advance(HINT_MS);
  const says = async (peer: MemoryPeer, ...frames: Parameters<MemoryPeer['says']>): Promise<void> => {
    peer.says(...frames);
    await stage.time.settle();
  };
  return { ...stage, stage, annsPhone, bobs, says };
}

describe('a conversation in read mode', () => {
  it('comes to devices that show it, in their encoding, and others learn where it stands (R1)', async () => {
    const { stage, annsPhone, bobs, says, connect, time, engine } = await inRoom();
    expect([told(annsPhone), told(bobs)]).toEqual([['tea@5'], ['tea@5']]);
    const laptop = await connect('ann', 'laptop');
    await says(annsPhone, opens(2));
    await says(bobs, opens(2));
    // The answer comes first, then where it stands.
    expect(annsPhone.frames.slice(-2)).toMatchObject([{ t: 'ok', id: 2 }, { t: 'heads' }]);
    append(stage, 6);
    append(stage, 7, 9);
    await time.settle();
    // Gathered over a turn, and one message for each encoding.
    expect(engine.published).toBe(2);
    for (const peer of [annsPhone, bobs]) expect(told(peer)).toEqual(['tea@5', 'tea@5', '5>6', '6>9']);
    expect(told(laptop)).toEqual([]);
    await time.advance(HINT_MS);
    expect(told(laptop)).toEqual(['tea@9']);
    expect(told(annsPhone)).toHaveLength(4);
  });

  it('is told to those who do not show it in one frame for a while, of all that has moved', async () => {
    const { stage, annsPhone, gateway, time } = await inRoom();
    const milk = 'milk' as ConversationId;
    gateway.live.entered(milk, [ann], headAt(1));
    await time.advance(HINT_MS);
    const before = annsPhone.got('heads').length;
    for (let seq = 6; seq < 60; seq += 1) append(stage, seq);
    gateway.live.at(milk, headAt(2));
    await time.advance(HINT_MS);
    expect(annsPhone.got('heads')).toHaveLength(before + 1);
    expect(told(annsPhone).slice(-2)).toEqual(['tea@59', 'milk@2']);
    await time.advance(10 * HINT_MS);
    expect(annsPhone.got('heads')).toHaveLength(before + 1);
  });

  it('is told no more when it is closed, nor from behind a leave, though something waits to go out (R2, I7)', async () => {
    const { stage, annsPhone, bobs, says, gateway, time } = await inRoom();
    await says(annsPhone, opens(2));
    await says(bobs, opens(2));
    append(stage, 6);
    gateway.live.left(tea, [bob]);
    append(stage, 7);
    await time.advance(HINT_MS);
    expect(told(bobs).slice(2)).toEqual(['5>6']);
    expect(told(annsPhone).slice(2)).toEqual(['5>6', '6>7']);
    // Who comes again opens it again.
    gateway.live.entered(tea, [bob], headAt(7));
    append(stage, 8);
    await time.advance(HINT_MS);
    expect(told(bobs).slice(3)).toEqual(['tea@8']);
    await says(bobs, opens(3));
    await says(annsPhone, closes(3));
    append(stage, 9);
    await time.settle();
    expect(told(bobs).at(-1)).toBe('8>9');
    expect(told(annsPhone).at(-1)).toBe('7>8');
  });

  it('comes to a device that had it open before its user came in, or before it was in read mode, and not from before', async () => {
    const { stage, gateway, connect, time, says } = await inRoom();
    const cat = await connect('cat');
    await says(cat, opens(2));
    append(stage, 6);
    gateway.live.entered(tea, ['cat' as UserId], headAt(7));
    append(stage, 7);
    await time.advance(HINT_MS);
    expect(told(cat)).toEqual(['6>7', 'tea@7']);
    gateway.live.over(tea);
    expect(gateway.live.size).toBe(0);
    gateway.live.entered(tea, ['cat' as UserId], headAt(9));
    append(stage, 10);
    await time.settle();
    expect(told(cat).at(-1)).toBe('9>10');
  });

  it('tells everybody where it stands when they may lack something, also those who show it', async () => {
    const { annsPhone, bobs, says, gateway, time } = await inRoom();
    await says(annsPhone, opens(2));
    gateway.live.stands(tea, headAt(40));
    await time.advance(HINT_MS);
    expect([told(annsPhone).at(-1), told(bobs).at(-1)]).toEqual(['tea@40', 'tea@40']);
  });

  it('tells those who show it where it stands, once, when it has gone quiet: the last entry may be lost on its way', async () => {
    const { stage, annsPhone, says, time } = await inRoom({ idleMs: 3_600_000 });
    await says(annsPhone, opens(2));
    const before = told(annsPhone).length;
    // While it goes on, the next entry tells of a gap.
    for (let seq = 6; seq <= 15; seq += 1) {
      append(stage, seq);
      await time.advance(QUIET_MS / 2);
    }
    const lives = Array.from({ length: 10 }, (_, index) => `${String(index + 5)}>${String(index + 6)}`);
    expect(told(annsPhone).slice(before)).toEqual(lives);
    const quiet = async (times: number): Promise<void> => {
      for (let each = 0; each < times; each += 1) await time.advance(QUIET_MS);
      await time.advance(HINT_MS);
    };
    await quiet(2);
    expect(told(annsPhone).slice(before)).toEqual([...lives, 'tea@15']);
    await quiet(10);
    expect(told(annsPhone).slice(before)).toHaveLength(11);
  });

  it('does not tell who has left where it goes on to, whatever they were to be told (I7)', async () => {
    const { stage, annsPhone, bobs, gateway, time } = await inRoom();
    gateway.live.stands(tea, headAt(6));
    gateway.live.left(tea, [bob]);
    append(stage, 7);
    await time.advance(2 * QUIET_MS);
    expect([told(annsPhone), told(bobs)]).toEqual([['tea@5', 'tea@7'], ['tea@5']]);
  });

  it('tells who does not show it of what mentions all, but for their own, and of nothing from before they came (I7)', async () => {
    const { gateway, connect, time } = await inRoom();
    const [annsLaptop, bobsLaptop, cats] = [
      await connect('ann', 'laptop'),
      await connect('bob', 'laptop', 'binary'),
      await connect('cat'),
    ];
    const cat = 'cat' as UserId;
    const ofAll = [
      { seq: sequenceId(6), from: ann },
      { seq: sequenceId(8), from: bob },
    ];
    gateway.live.at(tea, headAt(8, ofAll));
    gateway.live.entered(tea, [cat], headAt(9, ofAll), sequenceId(7));
    await time.advance(HINT_MS);
    const of = (peer: MemoryPeer) => peer.got('heads').at(-1)?.heads;
    const stands = { conversation: tea, gen: 1, seq: 8, msgNo: 8 };
    expect(of(annsLaptop)).toEqual([{ ...stands, mentionAll: [8] }]);
    expect(of(bobsLaptop)).toEqual([{ ...stands, mentionAll: [6] }]);
    expect(of(cats)).toEqual([{ ...stands, mentionAll: [8] }]);
    gateway.live.left(tea, [cat]);
    gateway.live.entered(tea, [cat], headAt(9, ofAll), sequenceId(9));
    gateway.live.at(tea, headAt(9, ofAll));
    await time.advance(HINT_MS);
    expect(of(cats)).toEqual([{ ...stands, seq: 9, msgNo: 9 }]);
  });

  it('passes over a device that does not read, within its bound, and tells it when it does: never silence (R3, I9)', async () => {
    const { stage, annsPhone, bobs, says, time } = await inRoom({ sendBufferBytesMax: 16_384 });
    await says(annsPhone, opens(2));
    await says(bobs, opens(2));
    annsPhone.isReading = false;
    for (let seq = 6; seq <= 40; seq += 1) {
      append(stage, seq, seq, 'x'.repeat(2_000));
      await time.advance(HINT_MS);
    }
    expect(annsPhone.bufferedBytes()).toBeLessThan(16_384 + 2_500);
    annsPhone.resume();
    await time.settle();
    const lives = told(annsPhone).filter((text) => text.includes('>'));
    expect(lives.length).toBeLessThan(20);
    expect(told(annsPhone).at(-1)).toBe('tea@40');
    append(stage, 41);
    await time.settle();
    expect(told(annsPhone).at(-1)).toBe('40>41');
    expect(told(bobs).filter((text) => text.includes('>'))).toEqual(
      Array.from({ length: 36 }, (_, index) => `${String(index + 5)}>${String(index + 6)}`),
    );
  });

  it('leaves nothing behind when the last member has gone (R4)', async () => {
    const { annsPhone, bobs, says, gateway, engine } = await inRoom();
    await says(annsPhone, opens(2));
    await says(bobs, opens(2));
    annsPhone.hangUp();
    gateway.live.left(tea, [ann]);
    expect(gateway.live.size).toBe(1);
    bobs.hangUp();
    gateway.live.left(tea, [bob]);
    expect(gateway.live.size).toBe(0);
    gateway.live.live(tea, liveEntries(6));
    expect(engine.published).toBe(0);
  });
});
