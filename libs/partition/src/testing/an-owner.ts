import { RestingActors } from '@millrace/actor';
import { generation, partitionId, seededRandom, type NodeId, type Result } from '@millrace/kernel';
import type { ActorKey } from '@millrace/timeline';
import type { CommitsBefore, PartitionActor } from '../partition-actor.ts';
import { PartitionOwner } from '../partition-owner.ts';
import {
  defaultPartitionLimits,
  type Claimed,
  type CommittedBatch,
  type PartitionLimits,
  type Refusal,
} from '../partition-owner-parts.ts';
import { CountingActor, type CountCommand } from './counting-actor.ts';
import { HandDriven } from './hand-driven.ts';
import { ScriptedStore } from './scripted-store.ts';

export const keyOf = (name: string): ActorKey => `c:${name}` as ActorKey;

/** An owner over a scripted store, with everything that left it written down in order. */
export function anOwner(
  limits: Partial<PartitionLimits> = {},
  store = new ScriptedStore(),
  time = new HandDriven(),
  node = 'node-1',
) {
  const lease = { isHeld: true };
  /** What this node has heard of. */
  const known = { gen: 0 };
  const placed = { givenIn: 2, precededBy: 1 };
  /** Replies and effects, in the order in which they left. */
  const left: string[] = [];
  const errors: string[] = [];
  const claims: Claimed[] = [];
  /** What the actors were told of the commits before. */
  const heard: CommitsBefore[] = [];
  const batches: CommittedBatch<CountCommand, number, string>[] = [];
  const resting = new RestingActors<ActorKey, PartitionActor<CountCommand, number, string>>({
    actorsMax: 100,
    weightMax: 100,
  });
  const owner = new PartitionOwner<CountCommand, number, string>({
    partition: partitionId(0),
    node: node as NodeId,
    store,
    level: 'memory',
    clock: time.clock,
    timers: time.timers,
    random: seededRandom(node.length + store.claims),
    limits: { ...defaultPartitionLimits, ...limits },
    resting,
    log: {
      info: () => undefined,
      warn: () => undefined,
      error: (message) => {
        errors.push(message);
      },
    },
    activate: (key, record, gen) => {
      if (key === keyOf('broken')) throw new Error('a record of a later version');
      return new CountingActor(key, record, gen, heard);
    },
    encodeFeed: (effects) => new TextEncoder().encode(effects.join(',')),
    afterCommit: (effects, batch) => {
      if (batch !== null) batches.push(batch);
      for (const effect of effects) left.push(`effect ${effect} of ${String(batch?.commitNo ?? null)}`);
    },
    claimed: (claim) => {
      claims.push(claim);
    },
    lost: (why) => {
      left.push(`lost: ${why}`);
    },
    mayServe: () => lease.isHeld,
    knownGen: () => generation(known.gen),
    placement: () => ({ ...placed }),
  });
  const post = (
    name: string,
    command: CountCommand = 'add',
    priority: 'client' | 'follow-up' = 'client',
  ): { outcome: Result<number, Refusal> | null; answers: number } => {
    const asked: { outcome: Result<number, Refusal> | null; answers: number } = { outcome: null, answers: 0 };
    owner.post(
      keyOf(name),
      command,
      (outcome) => {
        asked.outcome = outcome;
        asked.answers += 1;
        left.push(`reply ${outcome.ok ? String(outcome.value) : outcome.error.code} to ${command} ${name}`);
      },
      priority,
    );
    return asked;
  };
  return { owner, store, time, lease, known, left, errors, claims, heard, batches, resting, post };
}

/** The same, claimed and serving. */
export async function aServingOwner(
  limits: Partial<PartitionLimits> = {},
  store = new ScriptedStore(),
  time = new HandDriven(),
  node = 'node-1',
) {
  const made = anOwner(limits, store, time, node);
  const claimed = made.owner.claim();
  await time.settle();
  await claimed;
  return made;
}
