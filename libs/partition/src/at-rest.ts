import type { CommitsBefore, PartitionActor } from './partition-actor.ts';

/**
 * What an actor that rests answers to a question: a command that changes nothing and has no effect. What rests is as it is
 * stored, so that nothing is told before its commit (P2), and no mailbox need be waited for.
 *
 * @param actor - undefined when it does not rest, or may not answer from memory (P5).
 * @returns null when the question is to go into the actor's mailbox: also for a bug of ours, which is set aside there.
 */
export function answeredAtRest<Command, Reply, Effect>(
  actor: PartitionActor<Command, Reply, Effect> | undefined,
  question: Command,
  nowMs: number,
  commits: CommitsBefore,
): Reply | null {
  try {
    return actor?.handle(question, nowMs, commits).reply ?? null;
  } catch {
    return null;
  }
}

/** For a taker who does not expect an answer before the call that asked has returned, and may throw. */
export function takenSoon<Reply>(reply: Reply, take: (reply: Reply) => void, failed: (error: unknown) => void): void {
  void Promise.resolve(reply).then(take).catch(failed);
}
