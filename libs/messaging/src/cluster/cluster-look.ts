import { partitionId, type NodeId } from '@millrace/kernel';
import type { ClusterView } from '@millrace/partition';
import type { AnyReply } from '../actor-calls.ts';
import type { ClusterStatus, NodeStatus } from './cluster-status.ts';

/** How long a member may take to tell of itself. */
const STATUS_MS_MAX = 1_000;

/** Asks every member of a view for its status at the same time. One that does not answer in time has none. */
export async function lookAtCluster(
  self: NodeId,
  view: ClusterView,
  own: NodeStatus,
  ask: (msMax: number, to: NodeId) => Promise<AnyReply | null>,
): Promise<ClusterStatus> {
  const statusOf = async (node: NodeId): Promise<NodeStatus | null> => {
    const answer = await ask(STATUS_MS_MAX, node);
    return answer?.ok === true ? (answer.value as NodeStatus) : null;
  };
  const members = await Promise.all(
    view.members.map(async (member) => ({
      ...member,
      owned: view.owners.filter((owner) => owner === member.name).length,
      status: member.node === self ? own : await statusOf(member.node),
    })),
  );
  const told = members.flatMap(({ status }) => status?.partitions ?? []);
  const serving = new Set(told.filter(({ isServing }) => isServing).map(({ partition }) => partition));
  const unserved = view.owners.map((_, index) => partitionId(index)).filter((partition) => !serving.has(partition));
  return { version: view.version, owners: view.owners, members, unserved, self };
}

/** Whether another node can take over what this one owns. */
export function hasHeirs(view: ClusterView | null, self: NodeId): boolean {
  const others = view?.members.filter(({ node }) => node !== self) ?? [];
  return others.some(({ roles, isDraining }) => roles.includes('actors') && !isDraining);
}
