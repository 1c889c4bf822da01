import { addTo } from '@millrace/kernel';
import { grouped } from '../progress.ts';
import { many, table } from '../text-table.ts';
import type { ClusterAnswer, MemberAnswer, PartitionAnswer } from './cluster-answer.ts';

/** Every node answers, and every partition is served. */
export const isAllServed = ({ members, unserved }: ClusterAnswer): boolean =>
  unserved.length === 0 && members.length > 0 && members.every(({ status }) => status !== null);

const sumOf = (partitions: readonly PartitionAnswer[], count: (of: PartitionAnswer) => number): number =>
  partitions.reduce((sum, each) => sum + count(each), 0);

/** `3, 7-9` for 3, 7, 8 and 9. */
export function ranges(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([from, to]) => (from === to ? String(from) : `${String(from)}-${String(to)}`)).join(', ');
}

/** Who coordinates, by what the nodes that answered say: at most one, unless they disagree. */
const coordinatorsOf = ({ members }: ClusterAnswer): ReadonlySet<string> =>
  new Set(members.flatMap(({ status }) => status?.coordinator ?? []));

function memberRow(member: MemberAnswer, coordinators: ReadonlySet<string>): readonly string[] {
  const { name, roles, draining, owned, status } = member;
  const mark = coordinators.has(name) ? '*' : ' ';
  const state = status === null ? 'silent' : draining ? 'draining' : 'serving';
  const first = [`${mark} ${name}`, roles.join(','), state];
  if (status === null) return [...first, grouped(owned), '-', '-', '-'];
  const { partitions, usersAttached } = status;
  const served = partitions.filter(({ serving }) => serving).length;
  return [
    ...first,
    served === owned ? grouped(owned) : `${grouped(served)} of ${grouped(owned)}`,
    grouped(usersAttached),
    grouped(sumOf(partitions, ({ queued }) => queued)),
    grouped(sumOf(partitions, ({ undiffused }) => undiffused)),
  ];
}

/** Partitions that a node has which is not to own them, by where they come from and go to. */
function moves({ owners, members }: ClusterAnswer): readonly string[] {
  const byWay = new Map<string, number[]>();
  for (const { name, status } of members) {
    for (const { partition } of status?.partitions ?? []) {
      const to = owners[partition] ?? null;
      if (to === name) continue;
      const way = `from ${name} to ${to ?? 'nobody'}`;
      addTo(byWay, way, partition);
    }
  }
  return [...byWay].map(([way, partitions]) => `${ranges(partitions)} ${way}`);
}

function findings(cluster: ClusterAnswer, coordinators: ReadonlySet<string>): readonly string[] {
  const { version, members, unserved, owners } = cluster;
  const behind = members.filter(({ status }) => status !== null && status.viewVersion !== version);
  const moving = moves(cluster);
  const names = [...coordinators].join(', ');
  return [
    ...(coordinators.size === 0 ? ['coordinator: not known'] : []),
    ...(coordinators.size > 1 ? [`coordinator: the nodes disagree, they name ${names}`] : []),
    ...behind.map(({ name, status }) => `${name} goes by view ${String(status?.viewVersion)}`),
    `moving: ${moving.length === 0 ? 'none' : moving.join('; ')}`,
    unserved.length === 0
      ? 'unserved: none'
      : `unserved: ${ranges(unserved)} (${grouped(unserved.length)} of ${many(owners.length, 'partition')})`,
  ];
}

/** The nodes, a line each, and what is not as it should be. */
export function clusterLines(cluster: ClusterAnswer): readonly string[] {
  const { version, members, owners } = cluster;
  const coordinators = coordinatorsOf(cluster);
  const rows = members.map((member) => memberRow(member, coordinators));
  return [
    `view ${String(version)}: ${many(members.length, 'node')}, ${many(owners.length, 'partition')}`,
    '',
    ...table(['  node', 'roles', 'state', 'partitions', 'users', 'queued', 'lag'], rows, 3),
    '',
    ...(coordinators.size > 0 ? ['* coordinates'] : []),
    ...findings(cluster, coordinators),
  ];
}

/** A line for each partition. */
export function partitionLines({ owners, members, unserved }: ClusterAnswer): readonly string[] {
  const told = members.flatMap(({ name, status }) => (status?.partitions ?? []).map((each) => ({ name, ...each })));
  const isUnserved = new Set(unserved);
  const rows = owners.map((owner, partition) => {
    const held = told.filter((each) => each.partition === partition);
    // Of one that is on its way two nodes may tell.
    const here = held.find(({ serving }) => serving) ?? held.find(({ name }) => name === owner) ?? held[0];
    const state = isUnserved.has(partition)
      ? 'unserved'
      : here !== undefined && here.name !== owner
        ? `still at ${here.name}`
        : 'served';
    const numbers =
      here === undefined ? ['-', '-', '-', '-'] : [here.epoch, here.gen, here.commitNo, here.undiffused].map(String);
    return [String(partition).padStart(9), owner ?? 'nobody', state, ...numbers];
  });
  return table(['partition', 'owner', 'state', 'epoch', 'generation', 'commit', 'lag'], rows, 3);
}
