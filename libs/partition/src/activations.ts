import { Mailbox, type RestingActors } from '@millrace/actor';
import type { Timers } from '@millrace/kernel';
import type { ActorKey } from '@millrace/timeline';

/** An actor with something to do. `actor` is null until its record was loaded. */
export interface Activation<Actor, Mail> {
  readonly key: ActorKey;
  readonly mail: Mailbox<Mail>;
  actor: Actor | null;
  loading: boolean;
  isReady: boolean;
  /** It ran dry, and has got nothing since. */
  isDry: boolean;
  /** The number of the look before which it ran dry last. */
  dryAt: number;
}

/** An actor that has been dry for as long rests; at most as long again later. */
const REST_MS = 1_000;
/** From so many on those of a partition that are dry rest at once. */
const AWAKE_MAX = 200;

export interface Taken<Actor, Mail> {
  readonly activation: Activation<Actor, Mail>;
  readonly mail: Mail;
}

/**
 * The actors of one partition that have something to do, with their mailboxes. An actor that ran dry, and has got nothing to do
 * for a second, goes back to the node's resting ones: what is busy is not taken from there and put back for each message. How
 * many are dry beyond what may rest is bounded, and for how long (I9).
 */
export class Activations<Actor extends { readonly weight: number }, Mail> {
  readonly #resting: RestingActors<ActorKey, Actor>;
  readonly #partition: number;
  readonly #mailboxMax: number;
  readonly #active = new Map<ActorKey, Activation<Actor, Mail>>();
  readonly #timers: Timers;
  #ready: Activation<Actor, Mail>[] = [];
  /** How often was looked for who has been dry for long. */
  #looks = 0;
  #lookDue = false;
  /** When more are awake, those that are dry rest at once. */
  #awakeMax = AWAKE_MAX;
  #queued = 0;

  /** @param partition - its number: where its resting actors are at home. */
  constructor(resting: RestingActors<ActorKey, Actor>, partition: number, mailboxMax: number, timers: Timers) {
    this.#resting = resting;
    this.#partition = partition;
    this.#mailboxMax = mailboxMax;
    this.#timers = timers;
  }

  /** Commands waiting in all mailboxes. */
  get queued(): number {
    return this.#queued;
  }

  get hasReady(): boolean {
    return this.#ready.length > 0;
  }

  /** @returns the activation that took the mail, or null when its mailbox is full. */
  offer(key: ActorKey, mail: Mail): Activation<Actor, Mail> | null {
    let activation = this.#active.get(key);
    if (activation === undefined) {
      const actor = this.#resting.wake(key) ?? null;
      const mailbox = new Mailbox<Mail>(this.#mailboxMax);
      activation = { key, mail: mailbox, actor, loading: false, isReady: false, isDry: false, dryAt: 0 };
      this.#active.set(key, activation);
    }
    if (!activation.mail.offer(mail)) return null;
    activation.isDry = false;
    this.#queued += 1;
    if (activation.actor !== null) this.makeReady(activation);
    return activation;
  }

  /** Whether it has something to do, or rests. */
  isInMemory(key: ActorKey): boolean {
    return this.#active.has(key) || this.#resting.has(key);
  }

  /** An actor with nothing to do, to be asked. */
  atRest(key: ActorKey): Actor | undefined {
    const activation = this.#active.get(key);
    if (activation === undefined) return this.#resting.at(key);
    return activation.isDry ? (activation.actor ?? undefined) : undefined;
  }

  has(activation: Activation<Actor, Mail>): boolean {
    return this.#active.get(activation.key) === activation;
  }

  makeReady(activation: Activation<Actor, Mail>): void {
    if (activation.isReady) return;
    activation.isReady = true;
    this.#ready.push(activation);
  }

  /** Takes at most `most` commands of ready actors, at most `mostPerActor` of each; who has more goes to the end of the line. */
  collect(most: number, mostPerActor: number): Taken<Actor, Mail>[] {
    const taken: Taken<Actor, Mail>[] = [];
    const line = this.#ready;
    this.#ready = [];
    const later: Activation<Actor, Mail>[] = [];
    let visited = 0;
    for (const activation of line) {
      if (taken.length >= most) break;
      visited += 1;
      for (let count = Math.min(mostPerActor, most - taken.length); count > 0; count -= 1) {
        const mail = activation.mail.take();
        if (mail === undefined) break;
        taken.push({ activation, mail });
      }
      activation.isReady = activation.mail.length > 0;
      if (activation.isReady) later.push(activation);
    }
    this.#ready = visited === line.length ? later : [...line.slice(visited), ...later];
    this.#queued -= taken.length;
    return taken;
  }

  /** These had their turn: who is dry rests soon, unless there is more to do until then. */
  ranDry(activations: readonly Activation<Actor, Mail>[]): void {
    let isAnyDry = false;
    for (const activation of activations) {
      if (activation.mail.length > 0 || activation.actor === null || !this.has(activation)) continue;
      activation.isDry = true;
      activation.dryAt = this.#looks;
      isAnyDry = true;
    }
    if (!isAnyDry) return;
    if (this.#active.size > this.#awakeMax) {
      this.#restDry(this.#looks);
      // Who has something to do is not looked at for each batch.
      this.#awakeMax = Math.max(AWAKE_MAX, 2 * this.#active.size);
    }
    this.#lookLater();
  }

  #lookLater(): void {
    if (this.#lookDue) return;
    this.#lookDue = true;
    this.#timers.after(REST_MS, () => {
      this.#lookDue = false;
      this.#looks += 1;
      this.#awakeMax = AWAKE_MAX;
      if (this.#restDry(this.#looks - 2)) this.#lookLater();
    });
  }

  /** Those that are dry since that look or longer. @returns whether others are dry. */
  #restDry(since: number): boolean {
    let areOthers = false;
    for (const activation of [...this.#active.values()]) {
      if (!activation.isDry) continue;
      if (activation.dryAt <= since) this.#rest(activation);
      else areOthers = true;
    }
    return areOthers;
  }

  #rest(activation: Activation<Actor, Mail>): void {
    activation.isDry = false;
    this.#active.delete(activation.key);
    if (activation.actor !== null) this.#resting.rest(activation.key, activation.actor, this.#partition);
  }

  /** Forgets every actor's state; the mail stays. */
  dropActors(): void {
    this.#resting.forget(this.#partition);
    for (const activation of this.#active.values()) {
      activation.actor = null;
      activation.isReady = false;
      activation.isDry = false;
    }
    this.#ready = [];
  }

  /** The activations whose record has to be loaded first; those that have it are made ready. */
  awaken(): readonly Activation<Actor, Mail>[] {
    const toLoad: Activation<Actor, Mail>[] = [];
    for (const activation of [...this.#active.values()]) {
      if (activation.mail.length === 0) this.remove(activation);
      else if (activation.actor !== null) this.makeReady(activation);
      else if (!activation.loading) toLoad.push(activation);
    }
    return toLoad;
  }

  /** Takes an activation out with all its mail. */
  remove(activation: Activation<Actor, Mail>): readonly Mail[] {
    activation.isReady = false;
    const mails: Mail[] = [];
    for (let mail = activation.mail.take(); mail !== undefined; mail = activation.mail.take()) mails.push(mail);
    this.#queued -= mails.length;
    this.#rest(activation);
    return mails;
  }

  removeAll(): readonly Mail[] {
    const mails = [...this.#active.values()].flatMap((activation) => this.remove(activation));
    this.#ready = [];
    return mails;
  }
}
