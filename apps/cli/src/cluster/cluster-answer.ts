import { err, ok, type Result } from '@millrace/kernel';
import { fetchFault } from '../endpoints.ts';

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

/** Longer than a server waits for its members. */
const ANSWER_MS_MAX = 10_000;

function isClusterAnswer(value: unknown): value is ClusterAnswer {
  const { owners, members, unserved } = (value ?? {}) as { readonly [Name in keyof ClusterAnswer]?: unknown };
  return Array.isArray(owners) && Array.isArray(members) && Array.isArray(unserved);
}

function refusal(url: string, status: number, body: unknown): LookFault {
  const { error } = (body ?? {}) as { readonly error?: { readonly message?: unknown } };
  const reason = typeof error?.message === 'string' ? error.message : `HTTP status ${String(status)}`;
  if (status === 401 || status === 403) {
    return {
      message: `${url} refuses the API key: ${reason}. It takes one with the scope admin: by --key or MILLRACE_API_KEY.`,
      isFinal: true,
    };
  }
  return { message: `${url} does not tell of its cluster: ${reason}`, isFinal: status === 404 };
}

/** Asks a node for the cluster as it sees it. */
export async function lookAtCluster(
  url: string,
  key: string,
  interrupted: AbortSignal,
): Promise<Result<ClusterAnswer, LookFault>> {
  try {
    const response = await fetch(`${url}/api/v1/cluster`, {
      headers: { authorization: `Bearer ${key}` },
      signal: AbortSignal.any([AbortSignal.timeout(ANSWER_MS_MAX), interrupted]),
    });
    const body: unknown = await response.json().catch(() => null);
    if (!response.ok) return err(refusal(url, response.status, body));
    if (isClusterAnswer(body)) return ok(body);
    return err({ message: `${url} answers with something else: is this a Millrace server?`, isFinal: true });
  } catch (error) {
    return err({ message: fetchFault(url, error), isFinal: false });
  }
}
