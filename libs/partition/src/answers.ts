import { err, type Result } from '@millrace/kernel';
import type { HandledMail, Mail, Poison } from './decide-batch.ts';
import type { PartitionOwnerParts, Refusal } from './partition-owner-parts.ts';

type Answer<Reply> = (outcome: Result<Reply, Refusal>) => void;

/** Gives a partition's commands their answers. A taker that throws does not hold up the others. */
export class Answers<Command, Reply> {
  readonly #parts: Pick<PartitionOwnerParts<never, never, never>, 'partition' | 'timers' | 'log'>;

  constructor(parts: Pick<PartitionOwnerParts<never, never, never>, 'partition' | 'timers' | 'log'>) {
    this.#parts = parts;
  }

  give(mail: Mail<Command, Reply>, outcome: Result<Reply, Refusal>): void {
    try {
      mail.answer(outcome);
    } catch (error) {
      this.#parts.log.error('an answer could not be taken', { partition: this.#parts.partition, error: String(error) });
    }
  }

  refuse(mails: readonly Mail<Command, Reply>[], refusal: Refusal): void {
    for (const mail of mails) this.give(mail, err(refusal));
  }

  /** What was handled, and then not stored. */
  refuseHandled(handled: readonly Pick<HandledMail<Command, Reply>, 'mail'>[], refusal: Refusal): void {
    for (const { mail } of handled) this.give(mail, err(refusal));
  }

  /** Commands whose handler threw: each is told, and somebody is to look at it. */
  setAside(poison: readonly Poison<Command, Reply>[]): void {
    for (const { key, mail, error } of poison) {
      this.#parts.log.error('a handler threw; its command is refused and kept as a dead letter', {
        partition: this.#parts.partition,
        actor: key,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
      this.give(mail, err({ code: 'poison', message: 'this hit a defect of the server; it was set aside' }));
    }
  }

  /** For who does not expect an answer before the call that asked has returned. */
  refuseSoon(answer: Answer<Reply>, code: Refusal['code'], message: string): void {
    this.#parts.timers.soon(() => {
      answer(err({ code, message }));
    });
  }
}
