import type { Clock, NodeId, Result, Timers } from '@millrace/kernel';
import {
  decodeMember,
  decodeView,
  encodeMember,
  encodeView,
  type ClusterStore,
  type ClusterView,
  type KnownViews,
  type LeadAnswer,
  type LivingMember,
  type Member,
  type PutViewAnswer,
  type RegisterAnswer,
  type ViewError,
} from '@millrace/partition';
import type { Connection } from './connection.ts';
import { answerWithin } from './deadline.ts';
import { callFunction, type FunctionName } from './function-library.ts';
import type { KeyLayout } from './key-layout.ts';
import { messageOf } from './store-errors.ts';

export interface RedisClusterStoreParts {
  readonly connection: Connection;
  readonly layout: KeyLayout;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly answerMsMax: number;
}

interface Unavailable {
  readonly code: 'unavailable';
  readonly message: string;
}

/** @throws for a text that this version of the program cannot read: the call is then answered `unavailable`. */
function read<T>(what: string, decoded: Result<T, ViewError>): T {
  if (decoded.ok) return decoded.value;
  throw new Error(`${what} cannot be read by this version of the server: ${decoded.error.message}`);
}

const viewOf = (text: string | null | undefined): ClusterView | null =>
  text === null || text === undefined ? null : read('the stored view', decodeView(text));

/** Of five values each: member, remaining ms, known, settled, digest. */
function livingOf(values: readonly string[]): readonly LivingMember[] {
  const living: LivingMember[] = [];
  for (let at = 0; at + 4 < values.length; at += 5) {
    const [member = '', remaining, known, settled, digest = ''] = values.slice(at, at + 5);
    living.push({
      member: read('a member', decodeMember(member)),
      remainingMs: Number(remaining),
      knownVersion: Number(known),
      knownDigest: digest,
      settledVersion: Number(settled),
    });
  }
  return living;
}

/** {@link ClusterStore} on the clock of Redis (I10). Works over maxmemory, when nothing else is accepted. */
export class RedisClusterStore implements ClusterStore {
  readonly #parts: RedisClusterStoreParts;

  constructor(parts: RedisClusterStoreParts) {
    this.#parts = parts;
  }

  register(member: Member, leaseMs: number, { version, digest, settled }: KnownViews): Promise<RegisterAnswer> {
    const { clock, layout } = this.#parts;
    const { name, node } = member;
    const askedMs = clock.monotonicMs();
    const durationMs = Math.floor(leaseMs);
    const keys = [
      layout.cluster('members'),
      layout.cluster('left'),
      layout.cluster('replaced'),
      layout.cluster('view'),
    ];
    const args = [name, node, String(durationMs), String(version), String(settled), digest, encodeMember(member)];
    return this.#ask('register_member', keys, args, (reply): RegisterAnswer => {
      const [code, more] = reply as readonly (string | null)[];
      if (code === 'replaced') return { code, by: more as NodeId };
      return { code: 'held', untilMonotonicMs: askedMs + durationMs, view: viewOf(more) };
    });
  }

  async leave(name: string, node: NodeId): Promise<void> {
    const { layout } = this.#parts;
    // When this fails, the registration runs out.
    await this.#ask('leave_cluster', [layout.cluster('members'), layout.cluster('left')], [name, node], () => null);
  }

  lead(name: string, node: NodeId, leaseMs: number): Promise<LeadAnswer> {
    const { clock, layout } = this.#parts;
    const askedMs = clock.monotonicMs();
    const durationMs = Math.floor(leaseMs);
    const keys = [layout.cluster('members'), layout.cluster('left'), layout.cluster('leader'), layout.cluster('view')];
    return this.#ask('lead_cluster', keys, [name, node, String(durationMs)], (reply): LeadAnswer => {
      const [code, first, second, ...living] = reply as readonly string[];
      if (code === 'unregistered') return { code };
      if (code === 'following') return { code, leader: first ?? '', remainingMs: Number(second) };
      return {
        code: 'leading',
        term: Number(first),
        untilMonotonicMs: askedMs + durationMs,
        view: viewOf(second),
        living: livingOf(living),
      };
    });
  }

  putView(term: number, node: NodeId, view: ClusterView): Promise<PutViewAnswer> {
    const { layout } = this.#parts;
    const args = [String(term), node, String(view.version), encodeView(view)];
    return this.#ask('put_view', [layout.cluster('leader'), layout.cluster('view')], args, (reply): PutViewAnswer => ({
      code: reply === 1 ? 'put' : 'outdated',
    }));
  }

  async #ask<T>(
    name: FunctionName,
    keys: readonly string[],
    args: readonly string[],
    answerOf: (reply: unknown) => T,
  ): Promise<T | Unavailable> {
    const { connection, timers, answerMsMax } = this.#parts;
    try {
      return answerOf(await answerWithin(timers, answerMsMax, callFunction(connection.client, name, keys, args)));
    } catch (error) {
      return { code: 'unavailable', message: `${name} was not answered: ${messageOf(error)}` };
    }
  }
}
