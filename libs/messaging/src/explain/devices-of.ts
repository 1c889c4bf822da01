import { generation, sequenceId, type DeviceId, type UserId } from '@millrace/kernel';
import { comparePositions, type Position } from '@millrace/timeline';
import type { DeviceMarks, Mark, PullStep, ReceiptStep } from '../trace/trace-here.ts';
import type { NodeFacts } from './story-facts.ts';
import type { DeviceStory } from './story.ts';

export interface DevicesQuestion {
  readonly user: UserId;
  /** Devices that are known from what is stored. */
  readonly stored: readonly DeviceId[];
  /** Where the message stands in the user's inbox; null when that is not known, or it is in none. */
  readonly inbox: Position | null;
  /** Whether it is in none, and all nodes still know whatever they have sent since it was stored. */
  readonly isTracedWhole: boolean;
  /** The one that sent it, and when it was acknowledged. */
  readonly author: { readonly device: DeviceId; readonly ackedAt: number | null } | null;
}

/** Of one user. */
const DEVICES_TOLD_MAX = 64;

const positionOf = ({ gen, seq }: Mark): Position => ({ gen: generation(gen), seq: sequenceId(seq) });

/** The one that is furthest, field by field: a node of another version may tell more. */
function furthest(marks: readonly (Mark | null)[]): Mark | null {
  const known = marks.filter((mark) => mark !== null);
  return known.reduce<Mark | null>((best, { gen, seq, at }) => {
    const mark = { gen, seq, at };
    return best === null || comparePositions(positionOf(mark), positionOf(best)) > 0 ? mark : best;
  }, null);
}

const earliest = (times: readonly number[]): number | null => (times.length === 0 ? null : Math.min(...times));

/** Everything that nodes know of one device. */
interface Signs {
  readonly isHere: boolean;
  readonly told: Mark | null;
  readonly pushed: Mark | null;
  readonly pulled: Mark | null;
  readonly skipped: Mark | null;
  readonly pushedAt: number | null;
  readonly receipts: readonly ReceiptStep[];
  readonly pulls: readonly PullStep[];
}

function stateOf(signs: Signs, { device }: { readonly device: DeviceId }, question: DevicesQuestion) {
  const { told, pushed, pulled, skipped, pushedAt, receipts, pulls } = signs;
  const { inbox, author, isTracedWhole } = question;
  const covers = (mark: Mark | null): mark is Mark =>
    mark !== null && inbox !== null && comparePositions(positionOf(mark), inbox) >= 0;
  if (author?.device === device) return { state: 'author', at: author.ackedAt } as const;
  const saidAt = earliest([...receipts, ...pulls.filter(({ isHeld }) => isHeld)].map(({ at }) => at));
  if (saidAt !== null) return { state: 'applied', at: saidAt } as const;
  // A device that skipped up to there says that it is past it without having it by sync or push.
  const hasSkipped = covers(skipped) && pushedAt === null && !(covers(pulled) && pulled.at < skipped.at);
  if (covers(told) && !hasSkipped) return { state: 'applied', at: told.at } as const;
  if (pushedAt !== null) return { state: 'pushed', at: pushedAt } as const;
  const broughtAt = earliest(pulls.map(({ at }) => at));
  if (broughtAt !== null) return { state: 'pulled', at: broughtAt } as const;
  if (hasSkipped) return { state: 'skipped', at: skipped.at } as const;
  if (covers(pulled)) return { state: 'pulled', at: pulled.at } as const;
  if (covers(pushed)) return { state: 'pushed', at: null } as const;
  const isKnown = [told, pushed, pulled, skipped].some((mark) => mark !== null);
  const isBehind = inbox === null ? isTracedWhole && (isKnown || signs.isHere) : isKnown;
  return { state: isBehind ? 'behind' : 'unknown', at: null } as const;
}

/** What each of a user's devices has of the message, as far as anything is known of the device. */
export function devicesOf(nodes: readonly NodeFacts[], question: DevicesQuestion): readonly DeviceStory[] {
  const { user, stored, author } = question;
  const marks: (DeviceMarks & { readonly node: string })[] = [];
  const pushes: { readonly device: DeviceId; readonly at: number }[] = [];
  const receipts: ReceiptStep[] = [];
  const pulls: PullStep[] = [];
  for (const { name, trace } of nodes) {
    for (const each of trace?.devices ?? []) if (each.user === user) marks.push({ ...each, node: name });
    for (const each of trace?.pushed ?? []) if (each.user === user) pushes.push(each);
    for (const each of trace?.receipts ?? []) if (each.user === user) receipts.push(each);
    for (const each of trace?.pulls ?? []) if (each.user === user) pulls.push(each);
  }
  const names = new Set<DeviceId>(author === null ? [] : [author.device]);
  for (const { device } of [...marks, ...pushes, ...receipts, ...pulls]) names.add(device);
  for (const device of stored) names.add(device);
  return [...names].slice(0, DEVICES_TOLD_MAX).map((device): DeviceStory => {
    const here = marks.filter((each) => each.device === device);
    const open = here.find(({ session }) => session !== null);
    const signs: Signs = {
      isHere: open !== undefined,
      told: furthest(here.map(({ told }) => told)),
      pushed: furthest(here.map(({ pushed }) => pushed)),
      pulled: furthest(here.map(({ pulled }) => pulled)),
      skipped: furthest(here.map(({ skipped }) => skipped)),
      pushedAt: earliest(pushes.filter((each) => each.device === device).map(({ at }) => at)),
      receipts: receipts.filter((each) => each.device === device),
      pulls: pulls.filter((each) => each.device === device),
    };
    const resyncs = here.flatMap(({ resynced }) =>
      resynced === null ? [] : [{ reason: resynced.reason, at: resynced.at }],
    );
    return {
      device,
      node: open?.node ?? null,
      session: open?.session ?? null,
      ...stateOf(signs, { device }, question),
      pushedAt: signs.pushedAt,
      told: signs.told,
      resynced: resyncs.sort((one, other) => other.at - one.at)[0] ?? null,
    };
  });
}
