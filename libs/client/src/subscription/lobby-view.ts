import { generation, sequenceId, type Generation, type SequenceId, type UserId } from '@millrace/kernel';
import type { Live, Message, Page } from '@millrace/protocol';

/** What a device does about one lobby, in order. */
export type LobbyStep =
  | { readonly do: 'deliver'; readonly message: Message }
  /** These are not kept any more. */
  | { readonly do: 'gap'; readonly gen: Generation; readonly after: SequenceId; readonly to: SequenceId }
  | { readonly do: 'restarted'; readonly gen: Generation }
  /** It is a group from the entry behind these on, which comes by the inbox. */
  | { readonly do: 'promoted'; readonly gen: Generation }
  /** This user is not in it any more. */
  | { readonly do: 'ended' };

/** Entries that wait for ones before them; over this they are fetched again (I9). */
const HELD_MAX = 2_000;

const NONE = sequenceId(0);

/**
 * What one device has of a lobby. Decisions only.
 *
 * (G1) Within a generation each entry is delivered once, in order; what is left out is told by a gap.
 * (G2) A higher generation goes before everything of a lower one, which is ignored from then on.
 */
export class LobbyView {
  readonly #user: () => UserId | null;
  /** 0 until anything is known. */
  gen: Generation = generation(0);
  /** Everything up to here was delivered. */
  seq: SequenceId = NONE;
  #held: Message[] = [];
  /** Something is known to be missing. */
  #isBehind = true;
  #isNew = true;
  #isRestarting = false;

  constructor(user: () => UserId | null) {
    this.#user = user;
  }

  get isBehind(): boolean {
    return this.#isBehind;
  }

  /** Somewhere something was missed, perhaps. */
  doubt(): void {
    this.#isBehind = true;
  }

  live({ gen, prev, messages }: Live): readonly LobbyStep[] {
    if (gen < this.gen) return [];
    const steps: LobbyStep[] = [];
    if (gen > this.gen && prev === 0 && !this.#isNew) steps.push(...this.#restart(gen));
    if (gen === this.gen && prev <= this.seq && !this.#isBehind) steps.push(...this.#apply(messages));
    else {
      this.#isBehind = true;
      this.#hold(messages);
    }
    return steps;
  }

  head(gen: Generation, seq: SequenceId): void {
    if (gen > this.gen || (gen === this.gen && seq > this.seq)) this.#isBehind = true;
  }

  /** What was asked for, from `seq` + 1 on. Of a group that was this lobby the positions are the same. */
  page({ messages, head, hasMore }: Omit<Page, 't' | 'id' | 'conversation'>): readonly LobbyStep[] {
    const steps: LobbyStep[] = [];
    if (this.gen === 0) {
      this.gen = head.gen;
      if (this.#isRestarting) steps.push({ do: 'restarted', gen: head.gen });
      this.#isRestarting = false;
    }
    const start = messages[0]?.seq ?? (head.gen === this.gen ? head.seq + 1 : this.seq + 1);
    if (start > this.seq + 1) {
      const to = sequenceId(start - 1);
      if (!this.#isNew) steps.push({ do: 'gap', gen: this.gen, after: this.seq, to });
      this.seq = to;
    }
    this.#isNew = false;
    steps.push(...this.#apply(messages));
    if (hasMore || steps.some((step) => step.do === 'promoted')) return steps;
    this.#isBehind = false;
    return [...steps, ...this.#releaseHeld()];
  }

  /** What is here is of an activation that is over. */
  regressed(): void {
    this.#isBehind = true;
    this.#isNew = true;
    this.#isRestarting = this.gen !== 0 || this.#isRestarting;
    this.#held = this.#held.filter(({ gen }) => gen > this.gen);
    this.gen = generation(0);
    this.seq = NONE;
  }

  #restart(gen: Generation): readonly LobbyStep[] {
    this.gen = gen;
    this.seq = NONE;
    this.#isBehind = false;
    this.#held = this.#held.filter((message) => message.gen === gen);
    return [{ do: 'restarted', gen }];
  }

  #hold(messages: readonly Message[]): void {
    this.#held.push(...messages);
    if (this.#held.length > HELD_MAX) this.#held = [];
  }

  #releaseHeld(): readonly LobbyStep[] {
    const held = this.#held.filter(({ gen, seq }) => gen === this.gen && seq > this.seq);
    this.#held = [];
    const steps = this.#apply(held);
    // One that does not follow: there is a hole before it.
    if (held.length > 0 && (held.at(-1)?.seq ?? NONE) > this.seq) {
      this.#isBehind = true;
      this.#hold(held.filter(({ seq }) => seq > this.seq));
    }
    return steps;
  }

  #apply(messages: readonly Message[]): readonly LobbyStep[] {
    const steps: LobbyStep[] = [];
    for (const message of messages) {
      if (message.seq !== this.seq + 1) {
        if (message.seq > this.seq) break;
        continue;
      }
      const control = controlOf(message);
      if (control?.control === 'promoted') return [...steps, { do: 'promoted', gen: message.gen }];
      this.seq = message.seq;
      steps.push({ do: 'deliver', message });
      const isOver =
        control?.control === 'dissolved' ||
        ((control?.control === 'left' || control?.control === 'kicked') && this.#concernsMe(control.users));
      if (isOver) return [...steps, { do: 'ended' }];
    }
    return steps;
  }

  #concernsMe(users: unknown): boolean {
    return Array.isArray(users) && users.includes(this.#user());
  }
}

function controlOf({ type, body }: Message): { readonly control?: unknown; readonly users?: unknown } | null {
  if (type !== 'control' || typeof body !== 'string') return null;
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}
