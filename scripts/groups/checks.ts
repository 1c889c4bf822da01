import type { GroupStage } from './group-stage.ts';
import { Grow } from './grow.ts';
import { Recount } from './recount.ts';

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
];
