import { err, ok } from '@millrace/kernel';
import type { ClusterStatus, NodeStatus } from '@millrace/messaging';
import { frameError } from '@millrace/protocol';
import type { Operation } from './operation.ts';
import type { ClusterLook } from './ports.ts';

/** Field by field: a member that runs another version of the program may tell more. */
function statusBody(status: NodeStatus): object {
  return {
    viewVersion: status.viewVersion,
    coordinator: status.coordinator,
    usersAttached: status.usersAttached,
    moving: status.moving,
    partitions: status.partitions.map(({ partition, epoch, gen, commitNo, isServing, queued, undiffused }) => ({
      partition,
      epoch,
      gen,
      commitNo,
      serving: isServing,
      queued,
      undiffused,
    })),
  };
}

function clusterBody({ version, owners, members, unserved, self }: ClusterStatus): object {
  return {
    version,
    asked: members.find(({ node }) => node === self)?.name ?? null,
    owners,
    members: members.map(({ name, node, roles, isDraining, url, socketUrl, owned, status }) => ({
      name,
      run: node,
      roles,
      draining: isDraining,
      url,
      socketUrl,
      owned,
      status: status === null ? null : statusBody(status),
    })),
    unserved,
  };
}

/** The cluster, for an operator. */
export function clusterOperations(look: ClusterLook): readonly Operation[] {
  return [
    {
      id: 'getCluster',
      method: 'GET',
      path: '/api/v1/cluster',
      access: 'admin',
      async run() {
        const cluster = await look();
        return cluster === null
          ? err(frameError('unavailable', 'this node has no part in a cluster yet; ask again soon'))
          : ok({ status: 200, body: clusterBody(cluster) });
      },
    },
  ];
}
