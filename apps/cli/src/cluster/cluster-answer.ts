import { err, type Result } from '@millrace/kernel';
import { askApi, type ApiFault } from '../ask-api.ts';

/** One partition, as the node that has it tells. */
export interface PartitionAnswer {
  readonly partition: number;
  readonly epoch: number;
  readonly gen: number;
  readonly commitNo: number;
  readonly serving: boolean;
  readonly queued: number;
  readonly undiffused: number;
}

export interface MemberAnswer {
  readonly name: string;
  readonly roles: readonly string[];
  readonly draining: boolean;
  readonly owned: number;
  readonly status: {
    readonly viewVersion: number;
    readonly coordinator: string | null;
    readonly usersAttached: number;
    readonly partitions: readonly PartitionAnswer[];
  } | null;
}

/** Of `GET /api/v1/cluster` (docs/openapi.yaml), what is shown here. */
export interface ClusterAnswer {
  readonly version: number;
  readonly owners: readonly (string | null)[];
  readonly members: readonly MemberAnswer[];
  readonly unserved: readonly number[];
}

/** Why there is no answer. `isFinal`: asking again does not help. */
export interface LookFault {
  readonly message: string;
  readonly isFinal: boolean;
}

function isClusterAnswer(value: unknown): value is ClusterAnswer {
  const { owners, members, unserved } = (value ?? {}) as { readonly [Name in keyof ClusterAnswer]?: unknown };
  return Array.isArray(owners) && Array.isArray(members) && Array.isArray(unserved);
}

function faultOf(url: string, { kind, status, message }: ApiFault): LookFault {
  if (kind === 'refused')
    return { message: `${url} does not tell of its cluster: ${message}`, isFinal: status === 404 };
  return { message, isFinal: kind === 'key' || kind === 'stranger' };
}

/** Asks a node for the cluster as it sees it. */
export async function lookAtCluster(
  url: string,
  key: string,
  interrupted: AbortSignal,
): Promise<Result<ClusterAnswer, LookFault>> {
  const answer = await askApi({ url, path: '/api/v1/cluster', key, isAnswer: isClusterAnswer }, interrupted);
  return answer.ok ? answer : err(faultOf(url, answer.error));
}
