import { InvariantViolation, parseNodeId, type NodeId, type Random } from '@millrace/kernel';
import { defaultMessagingLimits, defaultRouterLimits, type ChatNodeLimits } from '@millrace/messaging';
import { defaultLinkLimits } from '@millrace/node-link';
import { defaultPartitionLimits, defaultPlacementLimits, type Role } from '@millrace/partition';
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
      inboxEntriesMax: config.inboxEntriesMax,
      inboxAgeMsMax: config.inboxHoursMax * 3_600_000,
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

/** One run of this node: its name, and what tells this run from the one before. */
export function nodeIdOf(config: ServerConfig, random: Random): NodeId {
  const node = parseNodeId(`${config.nodeName}.${random.id().slice(0, 12)}`);
  if (!node.ok) throw new InvariantViolation(node.error.message);
  return node.value;
}

const ROLES: readonly Role[] = ['gateway', 'actors', 'jobs'];

/** All of them when none is named. */
export const rolesOf = (config: ServerConfig): readonly Role[] =>
  config.roles.length === 0 ? ROLES : ROLES.filter((role) => config.roles.includes(role));
