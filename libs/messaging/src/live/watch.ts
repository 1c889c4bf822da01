import { RareSet, sequenceId, type Generation, type SequenceId, type UserId } from '@millrace/kernel';
import type { WireEntry } from '@millrace/protocol';
import type { WatchState } from '../conversation/commands.ts';
import type { MentionOfAll } from '../conversation/conversation-state.ts';
import type { LiveNote } from './live-notes.ts';
import { latestMentionsOfAll, mentionsOfAllIn } from './mentions-of-all.ts';

/** Where a conversation in read mode stands. */
export interface LiveHead {
  readonly gen: Generation;
  readonly seq: SequenceId;
  readonly msgNo: number;
  /** The latest messages that mention all, rising. */
  readonly mentionsOfAll: readonly MentionOfAll[];
}

/** What is to be told to the sockets of this node, in order. */
export type LiveStep =
  /**
   * These see the conversation from here on, or do already. They may lack what was before, but what came up to `since`
   * is not for them.
   */
  | { readonly do: 'entered'; readonly users: readonly UserId[]; readonly since: SequenceId }
  /** These see nothing of it any more. */
  | { readonly do: 'left'; readonly users: readonly UserId[] }
  /** Entries behind `prev`, for everybody who is in it. */
  | { readonly do: 'live'; readonly gen: Generation; readonly prev: SequenceId; readonly entries: readonly WireEntry[] }
  /** Everybody who is in it may lack something. */
  | { readonly do: 'stands' };

/** What the owner of the conversation is to be asked. */
export interface WatchQuestion {
  readonly users: readonly UserId[];
  /** Whether the answer says anew where the conversation stands, and who is in it. */
  readonly isFull: boolean;
}

/** `wanted`: the owner has to be asked. `asked`: it is, or has spoken of an entry that did not come yet. */
type Standing = 'wanted' | 'asked' | 'in';

/** Notes and bytes of entries that wait for an answer; over that they are dropped, and it is asked once more (I9). */
const HELD_MAX = 256;
const HELD_BYTES_MAX = 1_048_576;

interface Answer {
  readonly asked: readonly UserId[];
  readonly members: ReadonlySet<UserId>;
  /** Who came in behind messages that the head tells of, and where. */
  readonly late: ReadonlyMap<UserId, SequenceId>;
  readonly gen: Generation;
  readonly seq: SequenceId;
}

/**
 * One conversation in read mode, as the sockets of this node follow it. Decisions only.
 *
 * (W1) What is told is dense from the position on: a note that does not follow on it is a gap, after which nothing is
 *      told until the owner has said where the conversation stands.
 * (W2) Only members are told, as of the entries: the owner says who is one as of an entry, and the notes who has left
 *      since (I7, I11). Who leaves is told up to the entry of the leave, which no frame goes beyond.
 * (W3) Whoever may have missed something is told where the conversation stands.
 */
export class Watch {
  /** Null until the owner has said it. */
  #head: LiveHead | null = null;
  readonly #isHere: (user: UserId) => boolean;
  /** Everybody here who is, or may be, in it. */
  readonly #users = new Map<UserId, Standing>();
  /** Those of them that are `wanted`: few, mostly, where thousands are in it. */
  readonly #wanted = new RareSet<UserId>();
  /** Who is in it, and may have come once more behind a leave that the notes have not told yet. */
  readonly #again = new RareSet<UserId>();
  /** Notes that came while the position is in doubt; null when it is not. */
  #held: LiveNote[] | null = [];
  #heldBytes = 0;
  /** Answers that speak of an entry which did not come yet. */
  #early: Answer[] = [];
  /** What the notes have told of users since an answer that is still to come, or to be taken; null for nothing. */
  #changed: Map<UserId, { readonly seq: SequenceId; readonly isIn: boolean }> | null = null;
  #asked: WatchQuestion | null = null;
  /** The owner has said that the conversation is so far. */
  #known: LiveHead | null = null;

  /** @param isHere - whether the user has a socket on this node. */
  constructor(isHere: (user: UserId) => boolean) {
    this.#isHere = isHere;
  }

  get head(): LiveHead | null {
    return this.#head;
  }

  get users(): Iterable<UserId> {
    return this.#users.keys();
  }

  get isEmpty(): boolean {
    return this.#users.size === 0;
  }

  /** Whether notes are held until the owner has answered. */
  get isInDoubt(): boolean {
    return this.#held !== null;
  }

  /** Whether an entry that the owner has spoken of did not come. */
  get isBehind(): boolean {
    return this.#known !== null && this.#head !== null && isBefore(this.#head, this.#known);
  }

  has(user: UserId): boolean {
    return this.#users.has(user);
  }

  isIn(user: UserId): boolean {
    return this.#users.get(user) === 'in';
  }

  /** The user may be in it. @returns whether the owner has to be asked. */
  want(user: UserId): boolean {
    if (this.isIn(user)) {
      this.#again.add(user);
      return false;
    }
    // Also while it is asked: its answer may speak of a moment before.
    this.#put(user, 'wanted');
    return true;
  }

  /** The user has no socket here any more. @returns whether they were in it. */
  forget(user: UserId): boolean {
    const wasIn = this.isIn(user);
    this.#users.delete(user);
    this.#wanted.delete(user);
    this.#again.delete(user);
    return wasIn;
  }

  /** Something may have been missed: the owner has to be asked. */
  doubt(): void {
    this.#held ??= [];
  }

  /** Null when there is nothing to ask, or something is asked. */
  question(): WatchQuestion | null {
    if (this.#asked !== null) return null;
    const isFull = this.isInDoubt;
    const users = isFull ? [...this.#users.keys()] : [...this.#wanted];
    if (users.length === 0) return null;
    if (isFull) this.#again.clear();
    for (const user of users) if (!this.isIn(user)) this.#put(user, 'asked');
    this.#asked = { users, isFull };
    return this.#asked;
  }

  /** Asks nobody in particular, only where the conversation stands. Null while something is asked anyway. */
  look(): WatchQuestion | null {
    if (this.#asked !== null || this.isInDoubt) return null;
    this.#asked = { users: [], isFull: false };
    return this.#asked;
  }

  /** There was no answer. */
  unanswered(): void {
    for (const user of this.#asked?.users ?? []) if (this.#users.get(user) === 'asked') this.#put(user, 'wanted');
    this.#asked = null;
  }

  answered({ gen, seq, msgNo, members, mentionsOfAll = [], late = [] }: WatchState): readonly LiveStep[] {
    const question = this.#asked;
    this.#asked = null;
    if (question === null) return [];
    const head = { gen, seq, msgNo, mentionsOfAll };
    const answer = { asked: question.users, members: new Set(members), late: new Map(late), gen, seq };
    if (question.isFull) return this.#begin(head, answer);
    this.#known = head;
    if (this.isInDoubt) return [];
    this.#early.push(answer);
    return this.#admit();
  }

  note(note: LiveNote): readonly LiveStep[] {
    if (this.#held === null) return this.#take(note);
    this.#held.push(note);
    for (const { data } of note.entries) this.#heldBytes += data.length;
    if (this.#held.length > HELD_MAX || this.#heldBytes > HELD_BYTES_MAX) this.#drop();
    return [];
  }

  #drop(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }

  /** The owner has said where the conversation stands, and who is in it: all that was known before is over. */
  #begin(head: LiveHead, { asked, members, late }: Answer): readonly LiveStep[] {
    const held = this.#held ?? [];
    this.#held = null;
    this.#heldBytes = 0;
    this.#early = [];
    this.#changed = null;
    this.#head = head;
    this.#known = head;
    // Who is in it may have left and come again meanwhile.
    const again = asked.filter((user) => late.has(user) && members.has(user) && this.isIn(user));
    const [entered, left] = this.#sort(asked, (user) => members.has(user));
    const steps: LiveStep[] = [...leftStep(left), { do: 'stands' }, ...enteredSteps([...entered, ...again], late)];
    for (const note of held) steps.push(...this.note(note));
    return steps;
  }

  /** Who of them comes in and who goes, now. Who may have come since they were asked about is asked about once more. */
  #sort(users: readonly UserId[], isMember: (user: UserId) => boolean): readonly [UserId[], UserId[]] {
    const entered: UserId[] = [];
    const left: UserId[] = [];
    for (const user of users) {
      const before = this.#users.get(user);
      if (before === undefined) continue;
      if (isMember(user)) {
        this.#put(user, 'in');
        if (before !== 'in') entered.push(user);
      } else if (before !== 'wanted') {
        this.#out(user);
        left.push(user);
      }
    }
    return [entered, left];
  }

  /** The user is not in it any more. Who may have come since is asked about once more. */
  #out(user: UserId): void {
    if (this.#again.delete(user)) this.#put(user, 'wanted');
    else {
      this.#users.delete(user);
      this.#wanted.delete(user);
    }
  }

  #put(user: UserId, standing: Standing): void {
    this.#users.set(user, standing);
    if (standing === 'wanted') this.#wanted.add(user);
    else this.#wanted.delete(user);
  }

  /** Takes in whom the owner has spoken of as of an entry that is here by now. */
  #admit(): readonly LiveStep[] {
    const steps: LiveStep[] = [];
    const early = this.#early;
    this.#early = [];
    for (const answer of early) {
      if (this.#head === null || isBefore(this.#head, answer)) {
        this.#early.push(answer);
        continue;
      }
      const isMember = (user: UserId): boolean => {
        const later = this.#changed?.get(user);
        return later !== undefined && later.seq > answer.seq ? later.isIn : answer.members.has(user);
      };
      const [entered, left] = this.#sort(answer.asked, isMember);
      steps.push(...leftStep(left), ...enteredSteps(entered, answer.late));
    }
    if (this.#asked === null && this.#early.length === 0) this.#changed = null;
    return steps;
  }

  #take(note: LiveNote): readonly LiveStep[] {
    const head = this.#head;
    const [first] = note.entries;
    const last = note.entries.at(-1);
    if (head === null || first === undefined || last === undefined) return [];
    if (note.gen < head.gen || (note.gen === head.gen && last.seq <= head.seq)) return [];
    if (note.gen !== head.gen || first.seq > head.seq + 1) {
      this.doubt();
      return this.note(note);
    }
    const steps: LiveStep[] = [];
    let at = head.seq;
    const tellTo = (seq: SequenceId): void => {
      const entries = note.entries.filter((entry) => entry.seq > at && entry.seq <= seq);
      if (entries.length > 0) steps.push({ do: 'live', gen: note.gen, prev: at, entries });
      if (seq > at) at = seq;
    };
    for (const { seq, change, users } of note.changes) {
      if (seq <= head.seq) continue;
      const isIn = change === 'joined';
      const here = users.filter((user) => this.#users.has(user) || this.#isHere(user));
      // Also of who is only asked about: notes may overtake the answer.
      if (this.#asked !== null || this.#early.length > 0)
        for (const user of here) (this.#changed ??= new Map()).set(user, { seq, isIn });
      const moved = here.filter((user) => this.isIn(user) !== isIn);
      if (moved.length === 0) continue;
      tellTo(sequenceId(isIn ? seq - 1 : seq));
      for (const user of moved) {
        if (isIn) this.#put(user, 'in');
        else this.#out(user);
      }
      steps.push(isIn ? { do: 'entered', users: moved, since: seq } : { do: 'left', users: moved });
    }
    tellTo(last.seq);
    const fresh = mentionsOfAllIn(note.entries.filter(({ seq }) => seq > head.seq));
    const mentionsOfAll = latestMentionsOfAll(head.mentionsOfAll, fresh);
    this.#head = { gen: note.gen, seq: last.seq, msgNo: note.msgNo, mentionsOfAll };
    steps.push(...this.#admit());
    return steps;
  }
}

const isBefore = (one: Pick<LiveHead, 'gen' | 'seq'>, other: Pick<LiveHead, 'gen' | 'seq'>): boolean =>
  one.gen < other.gen || (one.gen === other.gen && one.seq < other.seq);

const leftStep = (users: readonly UserId[]): readonly LiveStep[] => (users.length === 0 ? [] : [{ do: 'left', users }]);

/** @param late - of some of them, where they came in; of the others it does not matter. */
function enteredSteps(users: readonly UserId[], late: ReadonlyMap<UserId, SequenceId>): readonly LiveStep[] {
  const others = users.filter((user) => !late.has(user));
  const step = (those: readonly UserId[], since: SequenceId): LiveStep => ({ do: 'entered', users: those, since });
  return [
    ...(others.length === 0 ? [] : [step(others, sequenceId(0))]),
    ...users.flatMap((user) => {
      const since = late.get(user);
      return since === undefined ? [] : [step([user], since)];
    }),
  ];
}
