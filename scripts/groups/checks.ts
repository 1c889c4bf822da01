import { pickEngine } from '@millrace/gateway';
import { systemTimers } from '@millrace/kernel';
import type { GroupStage } from './group-stage.ts';
import { Grow } from './grow.ts';
import { Recount } from './recount.ts';
import { Stalled, STALLED_SEND_BUFFER_BYTES } from './stalled.ts';

/** What one run has counted, by name, for people and for the file. */
export type Counted = Readonly<Record<string, unknown>>;

export interface Check {
  readonly name: string;
  readonly about: string;
  readonly members: number;
  readonly nodes: number;
  readonly env: (members: number) => Readonly<Record<string, string>>;
  /** @returns what was counted, and what is wrong: nothing, as a rule. */
  readonly run: (
    stage: GroupStage,
    members: number,
    say: (text: string) => void,
  ) => Promise<{ readonly counted: Counted; readonly wrong: readonly string[] }>;
}

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
/** The socket engines that load on this machine. */
export const engines = (['ws', 'uws'] as const).filter((engine) => pickEngine(engine, systemTimers, quiet).ok);

export const stalledEnvironment = (engine: string): Readonly<Record<string, string>> => ({
  MILLRACE_SOCKET_ENGINE: engine,
  MILLRACE_SEND_BUFFER_BYTES_MAX: String(STALLED_SEND_BUFFER_BYTES),
});

const share = (members: number, of: number): number => Math.floor(members / of);

/** With the bounds of diffusion as they are by default. */
export const checks: readonly Check[] = [
  {
    name: 'grow',
    about:
      '2 members become so many, and 2 again, while 50 of them write: each has what their stays hold, once, in order',
    members: 12_000,
    nodes: 2,
    env: (members) => ({ MILLRACE_MEMBERS_MAX: String(Math.max(10_000, members)) }),
    run: async (stage, members, say) => {
      const shape = {
        members,
        senders: Math.min(50, share(members, 10)),
        online: share(members, 20),
        flapping: share(members, 15),
        messagesPerSecond: 25,
        messagesPerChange: 8,
      };
      const { wrong, ...counted } = await new Grow(stage, shape, say).run();
      return { counted, wrong };
    },
  },
  {
    name: 'recount',
    about:
      'unread counts and receipts, a fifth of the members online, are what the stored entries come to on every device',
    members: 10_000,
    nodes: 2,
    env: (members) => ({ MILLRACE_MEMBERS_MAX: String(Math.max(10_000, members)) }),
    run: async (stage, members, say) => {
      const shape = { members, online: share(members, 5), writers: 20, rounds: 10, messagesPerRound: 20, seed: 1 };
      const { wrong, ...counted } = await new Recount(stage, shape, say).run();
      return { counted, wrong };
    },
  },
  ...engines.map((engine): Check => ({
    name: `stalled-${engine}`,
    about: `a tenth of the members show the group, some stop to read: bounded memory, nobody is delayed, all is complete`,
    members: 3_000,
    nodes: 1,
    env: () => stalledEnvironment(engine),
    run: async (stage, members, say) => {
      const shape = { members, listeners: share(members, 15), stalled: share(members, 30) };
      const flood = { messages: 700, messagesPerSecond: 40 };
      const { wrong, ...counted } = await new Stalled(stage, { ...shape, ...flood }, say).run();
      return { counted, wrong };
    },
  })),
];
