import { isOpen, modeBehind } from '@millrace/diffusion';
import { fromUtf8, type Generation, type UserId } from '@millrace/kernel';
import type { ActorRecord } from '@millrace/partition';
import { inGeneration } from '@millrace/timeline';
import type { ConversationHead, WatchState } from './commands.ts';
import {
  decodeMember,
  decodeMentioned,
  decodeMentionsOfAll,
  decodeMeta,
  decodeRecalled,
  decodeSegments,
} from './conversation-record.ts';
import { goneAt } from './gone.ts';
import { type Present, unreadMentions, watchMembers } from './mentions.ts';
import { nothingRecalled } from './recalled.ts';
import { decodeSendCounter } from './send-counter.ts';

/**
 * What one user is told of a conversation that they pull from, out of a few fields of its record: however many members it
 * has, it need not come into memory.
 */
const fieldsFor = (user: UserId): readonly string[] => [
  ...['s', 'n', 'g', 'a', 't', 'r'],
  ...[`m:${user}`, `v:${user}`, `h:${user}`, `x:${user}`],
];

export type ReadFields<Failure> = (
  fields: readonly string[],
) => Promise<
  { readonly ok: true; readonly value: ActorRecord | null } | { readonly ok: false; readonly error: Failure }
>;

export type PartialAnswer<Told, Failure> =
  | { readonly ok: true; readonly value: Told | null }
  /** The record does not say it: the conversation itself has to be asked. */
  | { readonly ok: true; readonly value: 'ask' }
  | { readonly ok: false; readonly error: Failure };

/**
 * Two reads at most: the second one is of the counters of who has written there.
 *
 * @param read - null for an actor that is in memory.
 * @param gen - the generation of the partition.
 */
export async function partialHead<Failure>(
  user: UserId,
  gen: Generation,
  read: ReadFields<Failure>,
): Promise<PartialAnswer<ConversationHead, Failure>> {
  const record = await read(fieldsFor(user));
  if (!record.ok) return record;
  if (record.value === null) return { ok: true, value: 'ask' };
  const { head, fields } = record.value;
  const [member, segments] = [fields.get(`m:${user}`), fields.get('g')];
  if (head === null || member === undefined || !fields.has('s')) return { ok: true, value: null };
  // It was never pulled: what else it would need is not in its record.
  if (segments === undefined) return { ok: true, value: 'ask' };
  const devices = fields.get(`v:${user}`);
  let sent = 0;
  if (devices !== undefined) {
    const names = (JSON.parse(fromUtf8(devices)) as readonly string[]).map((device) => `d:${user}/${device}`);
    const counters = await read(names);
    if (!counters.ok) return counters;
    // It came into memory between the two, and may have gone on.
    if (counters.value === null) return { ok: true, value: 'ask' };
    if (counters.value.head?.gen !== head.gen || counters.value.head.seq !== head.seq)
      return { ok: true, value: 'ask' };
    for (const counter of counters.value.fields.values()) {
      const { last, skipped } = decodeSendCounter(counter);
      sent += last - skipped;
    }
  }
  const { intervals, readSeq, readMsgNo, sentAtRead, goneBefore } = decodeMember(fromUtf8(member));
  const [meta, msgNo, lastAt] = [fields.get('s'), fields.get('n'), fields.get('a')];
  const [named, ofAll] = [fields.get(`h:${user}`), fields.get('t')];
  const mentions = unreadMentions(
    user,
    { intervals, readSeq },
    head.seq,
    named === undefined ? [] : decodeMentioned(fromUtf8(named)),
    ofAll === undefined ? [] : decodeMentionsOfAll(fromUtf8(ofAll)),
  );
  const [recalled, deleted] = [fields.get('r'), fields.get(`x:${user}`)];
  const gone = goneAt(
    user,
    { intervals, readSeq, goneBefore },
    head.seq,
    recalled === undefined ? nothingRecalled : decodeRecalled(fromUtf8(recalled)),
    deleted === undefined ? [] : decodeMentioned(fromUtf8(deleted)),
  );
  return {
    ok: true,
    value: {
      head: inGeneration(head, gen),
      ...(meta === undefined ? {} : { title: decodeMeta(fromUtf8(meta)).title }),
      msgNo: msgNo === undefined ? 0 : Number(fromUtf8(msgNo)),
      lastAt: lastAt === undefined ? 0 : Number(fromUtf8(lastAt)),
      segments: decodeSegments(fromUtf8(segments)),
      intervals,
      reading: { readSeq, readMsgNo, sentAtRead },
      sent,
      mentions,
      gone,
    },
  };
}

/** With more of them on a node that watches, what it takes to have the conversation in memory is well spent. */
const WATCHING_USERS_MAX = 200;

/** The same for a node that brings the entries to these users: see `watch` of the conversation. One read; null for none. */
export async function partialWatch<Failure>(
  users: readonly UserId[],
  gen: Generation,
  read: ReadFields<Failure>,
): Promise<PartialAnswer<WatchState, Failure>> {
  if (users.length > WATCHING_USERS_MAX) return { ok: true, value: 'ask' };
  const record = await read(['s', 'n', 'g', 't', ...users.map((user) => `m:${user}`)]);
  if (!record.ok) return record;
  if (record.value === null) return { ok: true, value: 'ask' };
  const { head, fields } = record.value;
  if (head === null || !fields.has('s')) return { ok: true, value: null };
  const [segments, msgNo, ofAll] = [fields.get('g'), fields.get('n'), fields.get('t')];
  const present = users.flatMap((user): readonly Present[] => {
    const member = fields.get(`m:${user}`);
    if (member === undefined) return [];
    const { intervals } = decodeMember(fromUtf8(member));
    return isOpen(intervals) ? [[user, intervals]] : [];
  });
  const { gen: at, seq } = inGeneration(head, gen);
  return {
    ok: true,
    value: {
      mode: segments === undefined ? 'write' : modeBehind(decodeSegments(fromUtf8(segments)), seq),
      gen: at,
      seq,
      msgNo: msgNo === undefined ? 0 : Number(fromUtf8(msgNo)),
      ...watchMembers(present, ofAll === undefined ? [] : decodeMentionsOfAll(fromUtf8(ofAll))),
    },
  };
}
