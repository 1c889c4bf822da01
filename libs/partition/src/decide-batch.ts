import { invariant, utf8, type Result } from '@millrace/kernel';
import type { ActorKey } from '@millrace/timeline';
import type { Activation, Taken } from './activations.ts';
import type { ActorWrite, Commit } from './commit.ts';
import type { CommitsBefore, Handled, PartitionActor } from './partition-actor.ts';
import type { Refusal } from './partition-owner-parts.ts';

/** A command on its way to an actor. */
export interface Mail<Command, Reply> {
  readonly command: Command;
  readonly answer: (outcome: Result<Reply, Refusal>) => void;
  /** When it came into the mailbox, monotonic. */
  readonly queuedMs: number;
}

/** A command that was handled. Its effects are those of its batch from where the one before ends, up to `effectsTo`. */
export interface HandledMail<Command, Reply> {
  readonly mail: Mail<Command, Reply>;
  readonly reply: Reply;
  readonly effectsTo: number;
}

export type MailActivation<Command, Reply, Effect> = Activation<
  PartitionActor<Command, Reply, Effect>,
  Mail<Command, Reply>
>;
export type TakenMail<Command, Reply, Effect> = Taken<PartitionActor<Command, Reply, Effect>, Mail<Command, Reply>>;

/** A command whose handler threw: a bug of ours. */
export interface Poison<Command, Reply> {
  readonly key: ActorKey;
  readonly mail: Mail<Command, Reply>;
  readonly error: unknown;
}

/** What a batch of commands came to. Nothing of it has left, or is stored, yet. */
export interface DecidedBatch<Command, Reply, Effect> {
  readonly activations: readonly MailActivation<Command, Reply, Effect>[];
  readonly replies: readonly HandledMail<Command, Reply>[];
  readonly effects: readonly Effect[];
  readonly writes: readonly ActorWrite[];
  readonly poison: readonly Poison<Command, Reply>[];
}

/**
 * Lets the actors handle their commands, in order. When a handler throws, the whole batch is undone and done again
 * without that command: handlers are functions of state and command, so the others come to the same.
 */
export function decideBatch<Command, Reply, Effect>(
  taken: readonly TakenMail<Command, Reply, Effect>[],
  nowMs: number,
  commits: CommitsBefore,
): DecidedBatch<Command, Reply, Effect> {
  const activations = activationsOf(taken);
  const poison: Poison<Command, Reply>[] = [];
  for (let rest = taken; ;) {
    const replies: HandledMail<Command, Reply>[] = [];
    const effects: Effect[] = [];
    const thrown = handleAll(rest, nowMs, commits, replies, effects);
    if (thrown === null) {
      return { activations, replies, effects, writes: writesOf(activations), poison };
    }
    for (const { actor } of activations) actor?.restore();
    poison.push(thrown);
    rest = rest.filter(({ mail }) => mail !== thrown.mail);
  }
}

/** Each once: what was taken of one actor stands together. */
function activationsOf<Command, Reply, Effect>(
  taken: readonly TakenMail<Command, Reply, Effect>[],
): readonly MailActivation<Command, Reply, Effect>[] {
  const activations: MailActivation<Command, Reply, Effect>[] = [];
  for (const { activation } of taken) if (activation !== activations.at(-1)) activations.push(activation);
  return activations;
}

function writesOf<Command, Reply, Effect>(
  activations: readonly MailActivation<Command, Reply, Effect>[],
): readonly ActorWrite[] {
  const writes: ActorWrite[] = [];
  for (const { actor } of activations) {
    const write = actor?.pendingWrite() ?? null;
    if (write === null) continue;
    writes.push(write);
    const beside = actor?.writeBeside?.() ?? null;
    if (beside !== null) writes.push(beside);
  }
  return writes;
}

function handleAll<Command, Reply, Effect>(
  taken: readonly TakenMail<Command, Reply, Effect>[],
  nowMs: number,
  commits: CommitsBefore,
  replies: HandledMail<Command, Reply>[],
  effects: Effect[],
): Poison<Command, Reply> | null {
  for (const { activation, mail } of taken) {
    invariant(activation.actor !== null, 'only a loaded actor is ready');
    let handled: Handled<Reply, Effect>;
    try {
      handled = activation.actor.handle(mail.command, nowMs, commits);
    } catch (error) {
      return { key: activation.key, mail, error };
    }
    for (const effect of handled.effects) effects.push(effect);
    replies.push({ mail, reply: handled.reply, effectsTo: effects.length });
  }
  return null;
}

/** What is kept of a poison message, for people: bounded, whatever the command held. */
export function deadLetter<Command, Reply>({ key, mail, error }: Poison<Command, Reply>): Uint8Array {
  const command = JSON.stringify(mail.command).slice(0, 4_096);
  return utf8(JSON.stringify({ actor: key, error: String(error), command }));
}

/** A decided batch on its way into the store; `commit` is null when there is nothing to store. */
export interface PartitionBatch<Command, Reply, Effect> extends DecidedBatch<Command, Reply, Effect> {
  readonly commit: Commit | null;
  /** When it was decided, monotonic. */
  readonly decidedMs: number;
}
