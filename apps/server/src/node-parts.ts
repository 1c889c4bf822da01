import { InvariantViolation, parseNodeId, type NodeId, type Random } from '@millrace/kernel';
import { defaultMessagingLimits, type ChatNodeLimits } from '@millrace/messaging';
import { defaultPartitionLimits } from '@millrace/partition';
import type { ServerConfig } from './server-config.ts';

/** About one for each member or conversation that an actor remembers. */
const RESTING_WEIGHT_PER_ACTOR = 10;
const STOP_DIFFUSION_MS = 2_000;

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
    stopDiffusionMs: STOP_DIFFUSION_MS,
  };
}

/** One run of this node: its name, and what tells this run from the one before. */
export function nodeIdOf(config: ServerConfig, random: Random): NodeId {
  const node = parseNodeId(`${config.nodeName}.${random.id().slice(0, 12)}`);
  if (!node.ok) throw new InvariantViolation(node.error.message);
  return node.value;
}
