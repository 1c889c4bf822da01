import type { ChatNodeStats } from '@millrace/messaging';
import type { StoreHealth, StoreObserver } from '@millrace/redis-store';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { gaugeInto } from './gauge-into.ts';

const MS_BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/** A registry of its own, with what every Node process tells: CPU, memory, garbage collection, event loop delay. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 10 });
  return registry;
}

/** What the store tells of commits. */
export function storeMetrics(registry: Registry): StoreObserver {
  const registers = [registry];
  const seconds = new Histogram({
    name: 'millrace_commit_seconds',
    help: 'Time from handing a commit to the store until its answer, by answer.',
    labelNames: ['answer'],
    buckets: MS_BUCKETS,
    registers,
  });
  const calls = new Counter({
    name: 'millrace_store_calls_total',
    help: 'Calls that carry one or more commits to Redis.',
    registers,
  });
  const writes = new Histogram({
    name: 'millrace_store_call_writes',
    help: 'Actors written by one call.',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers,
  });
  const bytes = new Counter({ name: 'millrace_store_bytes_total', help: 'Bytes sent to Redis in commits.', registers });
  return {
    commitSent(writeCount, byteCount) {
      calls.inc();
      writes.observe(writeCount);
      bytes.inc(byteCount);
    },
    commitAnswered(code, ms) {
      seconds.observe({ answer: code }, ms / 1_000);
    },
  };
}

/** Gauges that are read when somebody asks for the metrics. */
export function nodeMetrics(
  registry: Registry,
  stats: () => ChatNodeStats,
  health: () => Promise<StoreHealth>,
  partitionCount: number,
): void {
  const registers = [registry];
  const gauge = gaugeInto(registry);
  gauge('millrace_partitions', 'Partitions of the cluster.', () => partitionCount);
  gauge('millrace_partitions_serving', 'Partitions that this node owns and serves.', () => stats().partitionsServing);
  gauge('millrace_partitions_owned', 'Partitions that are placed on this node.', () => stats().partitionsOwned);
  gauge('millrace_partitions_moving', 'Partitions on their way to or from this node.', () => stats().partitionsMoving);
  gauge('millrace_cluster_view', 'Version of the view of the cluster that this node has.', () => stats().viewVersion);
  gauge('millrace_cluster_members', 'Nodes in that view.', () => stats().members);
  gauge(
    'millrace_commands_routing',
    'Commands that wait for a partition to have an owner.',
    () => stats().commandsRouting,
  );
  gauge('millrace_users_attached', 'Users with sockets on this node.', () => stats().usersAttached);
  gauge('millrace_lobbies', 'Lobbies that live on this node.', () => stats().lobbies);
  gauge('millrace_commands_queued', 'Commands in the mailboxes of actors.', () => stats().commandsQueued);
  gauge('millrace_actors_resting', 'Actors kept in memory.', () => stats().actorsResting);
  gauge('millrace_users_behind', 'Users whose inboxes wait for committed messages.', () => stats().usersBehind);
  const reachable = new Gauge({ name: 'millrace_redis_reachable', help: '1 when Redis answers.', registers });
  const memory = new Gauge({
    name: 'millrace_redis_memory_bytes',
    help: 'Memory that Redis uses, of the fullest node.',
    registers,
    async collect() {
      const now = await health();
      reachable.set(now.reachable ? 1 : 0);
      memory.set(now.usedMemoryBytes);
    },
  });
}
