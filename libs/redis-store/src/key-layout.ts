import { invariant, type NodeId, type PartitionId } from '@millrace/kernel';
import type { ActorKey } from '@millrace/timeline';

/** What is kept of the cluster as a whole. */
export type ClusterKey = 'members' | 'left' | 'replaced' | 'leader' | 'view' | 'backups';

/**
 * Every key that Millrace keeps in Redis. All keys of one partition share the Cluster hash tag `{p<number>}`, so one
 * function call reaches them all, and both keys of a node's stream share `{n:<node>}`:
 *
 * | key                  | type   | holds                                                                     |
 * | -------------------- | ------ | ------------------------------------------------------------------------- |
 * | `{p17}:owner`        | hash   | `epoch token no id gen run level clean diffused trimmed recovering`, see functions/claim.lua |
 * | `{p17}:feed`         | stream | changefeed: id `<commitNo>-1`, field `e`                                  |
 * | `{p17}:dead`         | stream | dead letters, about the last 1,000: field `e`                             |
 * | `{p17}:c:<id>`       | hash   | a conversation: `h` its Timeline's head, the other fields its record      |
 * | `{p17}:u:<id>`       | hash   | a user, likewise                                                          |
 * | `{p17}:p:17`        | hash   | the lobbies of the partition that became groups, or were about to         |
 * | `{p17}:r:<id>`       | hash   | what was changed of a conversation's messages, see messaging/revise/revision.ts |
 * | `{p17}:t:c:<id>`     | stream | a conversation's Timeline: id `<gen>-<seq>`, field `e` the opaque entry;  |
 * |                      | or string | while it is short a text of all ids and entries, see functions/shared.lua |
 * | `{p17}:t:u:<id>`     | stream | a user's inbox, likewise                                                  |
 * | `{cluster}:members`  | hash   | by name, a registration, see functions/register-member.lua                |
 * | `{cluster}:left`     | hash   | by name, the last run of a member that is gone, about the last 1,000      |
 * | `{cluster}:replaced` | hash   | by run, the run that replaced it, about the last 1,000                    |
 * | `{cluster}:leader`   | hash   | `name node until term`, see functions/lead-cluster.lua                    |
 * | `{cluster}:view`     | hash   | `version view`, see functions/put-view.lua                                |
 * | `{cluster}:backups`  | zset   | backups that are taken now, by when each is given up: see archive-hold.ts |
 * | `{n:<node>}:in`    | stream | what others say to one run of a node, see functions/open-node-stream.lua           |
 * | `{n:<node>}:open`  | hash   | `run entries bytes added taken` of that stream; both expire without their reader    |
 * | `{jobs}:due:…`       | BullMQ | jobs that wait for their time, and those that are worked, see libs/jobs                |
 * | `{jobs}:rolls:…`     | BullMQ | conversations that are to be archived, likewise                           |
 *
 * The functions are given complete keys: no name of a key is put together in Lua.
 */
export interface KeyLayout {
  owner(partition: PartitionId): string;
  feed(partition: PartitionId): string;
  dead(partition: PartitionId): string;
  record(partition: PartitionId, actor: ActorKey): string;
  timeline(partition: PartitionId, actor: ActorKey): string;
  /** Of all conversations. */
  readonly conversationRecords: KeySort;
  readonly conversationTimelines: KeySort;
  /** Of all users. */
  readonly userRecords: KeySort;
  /** What all keys of the queues of jobs begin with. */
  readonly jobs: string;
  cluster(part: ClusterKey): string;
  nodeStream(node: NodeId): string;
  openNodeStream(node: NodeId): string;
}

/** All keys of one sort, to go through them. */
export interface KeySort {
  /** For SCAN. It lets through more than is meant, for its star may stand for anything. */
  readonly pattern: string;
  /** Whose key it is; null for one of another sort. */
  actorOf(this: void, key: string): ActorKey | null;
}

/** @param before - what stands between the tag of a partition and the actor. */
function keysOf(prefix: string, actor: 'c' | 'u', before = ''): KeySort {
  const rest = new RegExp(`^\\{p\\d+\\}:${before}(${actor}:.+)$`, 's');
  return {
    // No prefix holds a character that means something else in a pattern; a brace means itself.
    pattern: `${prefix}{p*}:${before}${actor}:*`,
    actorOf: (key) =>
      key.startsWith(prefix) ? ((rest.exec(key.slice(prefix.length))?.[1] ?? null) as ActorKey | null) : null,
  };
}

/**
 * @param prefix - put before every key, so that several deployments can share a Redis. It may hold no brace: the
 *   partition's must stay the first hash tag.
 */
export function keyLayout(prefix: string): KeyLayout {
  invariant(!/[{}]/.test(prefix), `a key prefix must hold no braces: ${prefix}`);
  const tag = (partition: PartitionId): string => `${prefix}{p${String(partition)}}:`;
  return {
    owner: (partition) => `${tag(partition)}owner`,
    feed: (partition) => `${tag(partition)}feed`,
    dead: (partition) => `${tag(partition)}dead`,
    record: (partition, actor) => tag(partition) + actor,
    timeline: (partition, actor) => `${tag(partition)}t:${actor}`,
    conversationRecords: keysOf(prefix, 'c'),
    conversationTimelines: keysOf(prefix, 'c', 't:'),
    userRecords: keysOf(prefix, 'u'),
    jobs: `${prefix}{jobs}`,
    cluster: (part) => `${prefix}{cluster}:${part}`,
    nodeStream: (node) => `${prefix}{n:${node}}:in`,
    openNodeStream: (node) => `${prefix}{n:${node}}:open`,
  };
}
