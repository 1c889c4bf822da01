import { encodeOwnerToken, type ActorWrite, type Commit, type OwnerToken } from '@millrace/partition';
import { comparePositions, encodeHead, type Position } from '@millrace/timeline';
import type { KeyLayout } from './key-layout.ts';
import type { Packer } from './pack.ts';
import { SHORT_BYTES_MAX, SHORT_SEQ_MAX } from './short-timeline.ts';
import { Unpacker } from './unpack.ts';

/** Values in one list that Lua unpacks; it fails near 8,000. Even, so that no field is parted from its value. */
const LIST_VALUES_MAX = 4_000;

const positionText = ({ gen, seq }: Position): string => `${String(gen)}-${String(seq)}`;

function packSets(packer: Packer, head: string, set: ActorWrite['set']): void {
  const perList = LIST_VALUES_MAX / 2;
  const pairs = set.length + 1;
  packer.count(Math.ceil(pairs / perList));
  for (let from = 0; from < pairs; from += perList) {
    const to = Math.min(pairs, from + perList);
    packer.count(2 * (to - from));
    // The head is the first pair, the fields follow it.
    if (from === 0) packer.text('h').text(head);
    for (let pair = Math.max(1, from); pair < to; pair += 1) {
      const [field = '', value = ''] = set[pair - 1] ?? [];
      packer.text(field).value(value);
    }
  }
}

function packUnsets(packer: Packer, unset: readonly string[]): void {
  packer.count(Math.ceil(unset.length / LIST_VALUES_MAX));
  for (let from = 0; from < unset.length; from += LIST_VALUES_MAX) {
    const names = unset.slice(from, from + LIST_VALUES_MAX);
    packer.count(names.length);
    for (const name of names) packer.text(name);
  }
}

/**
 * How long the Timeline may be as a text, with this write: 0 if not at all, which makes a stream of one that is, and null if
 * it is none, which is known without a look.
 */
function shortBytesMax({ head, expected }: ActorWrite, shortTimelines: boolean): number | null {
  if (expected.seq > SHORT_SEQ_MAX) return null;
  return !shortTimelines || head.seq > SHORT_SEQ_MAX ? 0 : SHORT_BYTES_MAX;
}

function packWrite(packer: Packer, timelineKey: string, write: ActorWrite, shortTimelines: boolean): void {
  const { head, entries, trimBefore } = write;
  const short = shortBytesMax(write, shortTimelines);
  packSets(packer, encodeHead(head), write.set);
  packUnsets(packer, write.unset);
  packer.count(entries.length);
  // Only a head that moved makes a stream of a text.
  const becomesStream = short === 0 && head.seq > SHORT_SEQ_MAX;
  if (entries.length === 0 && trimBefore === null && !becomesStream) {
    packer.none().none().none();
    return;
  }
  packer.text(timelineKey);
  if (short === null) packer.none();
  else packer.count(short);
  const gen = `${String(head.gen)}-`;
  let seq = head.seq - entries.length;
  for (const entry of entries) {
    seq += 1;
    packer.text(gen + String(seq)).bytes(entry);
  }
  // A stream that holds nothing any more still costs a kilobyte: it is deleted, the head keeps its numbering.
  if (trimBefore === null) packer.none();
  else packer.text(comparePositions(trimBefore, head) > 0 ? 'DEL' : positionText(trimBefore));
}

function packOwnerFields(packer: Packer, commit: Commit, ownerKeyFields: readonly string[]): void {
  const { settle, diffusedTo, feedFrom, recovering } = commit;
  const more: string[] = [];
  if (diffusedTo !== null) more.push('diffused', String(diffusedTo));
  if (feedFrom !== null) more.push('trimmed', String(feedFrom - 1));
  if (settle !== null) more.push('gen', String(settle.gen), 'run', settle.run, 'level', settle.level);
  if (recovering !== null) more.push('recovering', String(recovering));
  packer.array(ownerKeyFields.length + more.length);
  for (const text of ownerKeyFields) packer.text(text);
  for (const text of more) packer.text(text);
}

export interface CommitForm {
  readonly layout: KeyLayout;
  /** Whether Timelines begin as texts: see `StoreFormat`. */
  readonly shortTimelines: boolean;
}

const PARTS = 12;

/** What a packed commit begins with: it alone tells under which token it goes. */
const packHead = (packer: Packer, token: OwnerToken): Packer => packer.array(PARTS).text(encodeOwnerToken(token));

/** Packs one commit as functions/commit.lua describes it. The same commit gives the same bytes every time (I5). */
export function packCommit(packer: Packer, { layout, shortTimelines }: CommitForm, commit: Commit): void {
  const { partition, commitNo, commitId, writes, feed, feedFrom, deadLetters } = commit;
  const no = String(commitNo);
  packHead(packer, commit.token)
    .text(String(commitNo - 1))
    .text(no)
    .text(commitId);
  packer.list(() => {
    for (const { actor, expected } of writes) {
      packer.text(layout.record(partition, actor)).text(positionText(expected));
    }
  });
  packer.list(() => {
    for (const write of writes) {
      packWrite(packer, layout.timeline(partition, write.actor), write, shortTimelines);
    }
  });
  packer.text(layout.feed(partition));
  if (feed === null) packer.none();
  else packer.bytes(feed);
  if (feedFrom === null) packer.none();
  else packer.text(`${String(feedFrom)}-0`);
  packer.text(layout.dead(partition));
  if (deadLetters.length === 0) packer.none();
  else {
    packer.array(deadLetters.length);
    for (const letter of deadLetters) packer.bytes(letter);
  }
  // A commit after a release takes the mark of a clean stop away.
  packOwnerFields(packer, commit, [layout.owner(partition), 'no', no, 'id', commitId, 'clean', '0']);
}

/** A packed commit under another token. */
export function withToken(packer: Packer, packed: Uint8Array, token: OwnerToken): Buffer {
  const former = new Unpacker(Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength));
  former.array();
  former.bytes();
  return Buffer.concat([packHead(packer, token).take(), former.rest]);
}

/** How many Redis writes a commit comes to, about: what bounds a call (I9). */
export function writesOf(commit: Commit): number {
  let writes = 2 + commit.deadLetters.length;
  for (const { entries } of commit.writes) writes += 1 + entries.length;
  return writes;
}

/** Whether it lets go of entries, and adds none where it lets go of none: Redis takes it over maxmemory, too. */
export function isFreeing({ writes, deadLetters }: Commit): boolean {
  const trims = writes.some(({ trimBefore }) => trimBefore !== null);
  return (
    trims &&
    deadLetters.length === 0 &&
    writes.every(({ entries, trimBefore }) => entries.length === 0 || trimBefore !== null)
  );
}
