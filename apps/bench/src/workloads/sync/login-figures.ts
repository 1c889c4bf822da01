import type { LoginsResult } from '../../load/login-plan.ts';
import { Latency, type LatencySummary } from '../../measure/latency.ts';
import { medianOf } from '../../measure/median.ts';
import type { XrangeResult } from '../../processes/xrange-floor.ts';
import type { CpuCost, CpuReading } from '../part-result.ts';

export interface LoginFigures {
  /** Messages that one device took, by the time from the first packet of its connection to its last message. */
  readonly deliveredPerSecond: number;
  readonly cpuMicrosPerMessage: CpuCost;
  readonly loginMs: LatencySummary | null;
  readonly answersPerLogin: number | null;
}

export interface LoginRatio {
  readonly throughput: number | null;
  /** Server and Redis, to the client of the floor and Redis. */
  readonly cpu: number | null;
}

export type Named<T> = Readonly<Record<string, T>>;

/** @param load - null for a floor: there the client itself stands in the place of the server. */
function costOf(messages: number, before: CpuReading, after: CpuReading): CpuCost {
  const per = (from: number | null, to: number | null): number | null =>
    from === null || to === null || messages === 0 ? null : (to - from) / messages;
  return {
    node: per(before.node, after.node),
    redis: per(before.redis, after.redis),
    load: per(before.load, after.load),
  };
}

export function loginFigures(result: LoginsResult, before: CpuReading, after: CpuReading): LoginFigures {
  const { logins, messages, answers, seconds } = result;
  return {
    deliveredPerSecond: messages / seconds,
    cpuMicrosPerMessage: costOf(messages, before, after),
    loginMs: Latency.decode(result.login).summary(),
    answersPerLogin: logins === 0 ? null : answers / logins,
  };
}

export function floorFigures({ messages, seconds }: XrangeResult, before: CpuReading, after: CpuReading): LoginFigures {
  return {
    deliveredPerSecond: messages / seconds,
    cpuMicrosPerMessage: costOf(messages, before, after),
    loginMs: null,
    answersPerLogin: null,
  };
}

const servers = ({ cpuMicrosPerMessage: { node, redis } }: LoginFigures): number | null =>
  node === null ? null : node + (redis ?? 0);

export function loginRatio(millrace: LoginFigures, floor: LoginFigures | undefined): LoginRatio {
  if (floor === undefined) return { throughput: null, cpu: null };
  const [ours, least] = [servers(millrace), servers(floor)];
  return {
    throughput: millrace.deliveredPerSecond / floor.deliveredPerSecond,
    cpu: ours === null || least === null || least === 0 ? null : ours / least,
  };
}

/** Part by part, number by number. */
export function medianParts(rounds: readonly Named<LoginFigures>[]): Named<LoginFigures> {
  const names = Object.keys(rounds[0] ?? {});
  return Object.fromEntries(
    names.map((name) => [name, medianOf(rounds.map((round) => round[name]).filter((part) => part !== undefined))]),
  );
}
