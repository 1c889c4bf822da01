import { InvariantViolation, parseNodeId, type Clock, type NodeId, type Random } from '@millrace/kernel';
import {
  defaultArchiverLimits,
  defaultLobbyLimits,
  defaultMessagingLimits,
  defaultRetentionLimits,
  defaultRouterLimits,
  NodeTrace,
  silentTrace,
  type ArchiverLimits,
  type ChatNodeLimits,
  type ChatNodeParts,
  type Layout,
  type MessageTrace,
  type RetentionLimits,
} from '@millrace/messaging';
import { defaultLinkLimits } from '@millrace/node-link';
import { defaultPartitionLimits, defaultPlacementLimits, type Role, type StoreFormat } from '@millrace/partition';
import type { RedisStoresOptions } from '@millrace/redis-store';
import type { ServerConfig } from './server-config.ts';

/** About one for each member or conversation that an actor remembers. */
const RESTING_WEIGHT_PER_ACTOR = 10;
const STOP_DIFFUSION_MS = 2_000;
const STOP_HANDOFF_MS = 10_000;
const RELEASE_MS_MAX = 1_000;

export function limitsOf(config: ServerConfig): ChatNodeLimits {
  return {
    messaging: {
      ...defaultMessagingLimits,
      membersMax: config.membersMax,
      recallWindowMs: config.recallWindowMs,
      readAbove: config.readAbove,
      writeBelow: config.writeBelow,
      readAboveLoad: config.readAboveLoad,
      writeBelowLoad: config.writeBelowLoad,
      loadWindowMs: config.loadWindowMs,
      inboxEntriesMax: config.inboxEntriesMax,
      inboxAgeMsMax: config.inboxHoursMax * 3_600_000,
    },
    lobbies: {
      ...defaultLobbyLimits,
      lobbiesMax: config.lobbiesMax,
      membersMax: config.lobbyMembersMax,
      backlogMax: config.lobbyBacklogMax,
      backlogBytesMax: config.lobbyBacklogBytesMax,
      graceMs: config.lobbyGraceMs,
      emptyMs: config.lobbyEmptyMs,
      idleMs: config.lobbyIdleMs,
    },
    partition: defaultPartitionLimits,
    resting: { actorsMax: config.actorsMax, weightMax: config.actorsMax * RESTING_WEIGHT_PER_ACTOR },
    placement: defaultPlacementLimits,
    router: defaultRouterLimits,
    links: defaultLinkLimits,
    stopDiffusionMs: STOP_DIFFUSION_MS,
    stopHandoffMs: STOP_HANDOFF_MS,
    releaseMsMax: RELEASE_MS_MAX,
  };
}

export const archiverLimitsOf = ({
  hotMessages,
  hotDays,
}: Pick<ServerConfig, 'hotMessages' | 'hotDays'>): ArchiverLimits => ({
  ...defaultArchiverLimits,
  hotEntries: hotMessages,
  hotMs: hotDays * 24 * 3_600_000,
});

export const retentionLimitsOf = ({ retentionDays }: Pick<ServerConfig, 'retentionDays'>): RetentionLimits => ({
  ...defaultRetentionLimits,
  days: retentionDays,
});

/** Where this run of the node notes what becomes of messages; nowhere when that is switched off. */
export const traceOf = ({ traceMessages }: ServerConfig, clock: Clock): MessageTrace =>
  traceMessages === 0 ? silentTrace : new NodeTrace(clock, traceMessages);

/** One run of this node: its name, and what tells this run from the one before. */
export function nodeIdOf(config: ServerConfig, random: Random): NodeId {
  const node = parseNodeId(`${config.nodeName}.${random.id().slice(0, 12)}`);
  if (!node.ok) throw new InvariantViolation(node.error.message);
  return node.value;
}

/** As a part of an address. */
export const urlHost = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** Every interface: no address to go to. */
const ANY_HOST = ['0.0.0.0', '::'];

/**
 * Where clients open sockets to this node, for the other nodes to tell; empty without sockets, and when that is not known
 * before they listen.
 */
export function socketUrlOf(config: ServerConfig): string {
  if (!rolesOf(config).includes('gateway')) return '';
  if (config.socketUrl !== null) return config.socketUrl;
  if (config.socketPort === 0 || ANY_HOST.includes(config.host)) return '';
  return `ws://${urlHost(config.host)}:${String(config.socketPort)}`;
}

/** What a store is born with. The format is checked to be one where the configuration is read. */
export const layoutOf = ({ partitions, storeFormat }: ServerConfig): Layout => ({
  partitionCount: partitions,
  storeFormat: storeFormat as StoreFormat,
});

/** What of a node is as the configuration says. */
export const configuredOf = (
  config: ServerConfig,
): Pick<ChatNodeParts, 'name' | 'roles' | 'socketUrl' | keyof Layout | 'ackLevel' | 'leaseMs' | 'limits'> => ({
  name: config.nodeName,
  roles: rolesOf(config),
  socketUrl: socketUrlOf(config),
  ...layoutOf(config),
  ackLevel: config.ackLevel,
  leaseMs: config.leaseMs,
  limits: limitsOf(config),
});

/** What is promised of what is stored, and how it is kept. */
export const storeFormOf = (
  config: ServerConfig,
): Pick<RedisStoresOptions, 'ackLevel' | 'storeFormat' | 'keyPrefix'> => ({
  ackLevel: config.ackLevel,
  storeFormat: layoutOf(config).storeFormat,
  keyPrefix: config.redisPrefix,
});

const ROLES: readonly Role[] = ['gateway', 'actors', 'jobs'];

/** All of them when none is named. */
export const rolesOf = (config: ServerConfig): readonly Role[] =>
  config.roles.length === 0 ? ROLES : ROLES.filter((role) => config.roles.includes(role));
