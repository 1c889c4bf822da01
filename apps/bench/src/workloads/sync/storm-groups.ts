import { systemClock, type ConversationId, type UserId } from '@millrace/kernel';
import { protocolLimits } from '@millrace/protocol';
import type { MissedStream } from '../../load/login-plan.ts';
import { newPayload, writePayload } from '../../load/payload.ts';
import { PAYLOAD_BYTES, userNames } from '../shape.ts';
import { inParallel, type UserSessions } from '../user-sessions.ts';

/** Devices that come back, and the conversations that they are in: a group in each mode. */
export interface StormShape {
  readonly users: number;
  /** Groups in write mode: as large as one may be, its owner included. */
  readonly writeGroups: number;
  /** Groups in read mode. */
  readonly readGroups: number;
  readonly messagesEach: number;
}

const DEVICES = 10_000;
/** So that one group goes over to read mode. */
const DEVICES_MIN = 300;
/** With its owner 200: one more, and it would go over to read mode. */
const WRITE_MEMBERS = 199;
const READ_MEMBERS = 1_000;
const MISSED_EACH = 5;

/** @param scale - a share of the devices, for trying the bench itself. */
export function stormShape(scale: number): StormShape {
  const users = Math.max(DEVICES_MIN, Math.round(DEVICES * scale));
  return {
    users,
    writeGroups: Math.ceil(users / WRITE_MEMBERS),
    readGroups: Math.max(1, Math.floor(users / READ_MEMBERS)),
    messagesEach: MISSED_EACH,
  };
}

interface Group {
  readonly conversation: ConversationId;
  readonly owner: UserId;
  readonly members: readonly UserId[];
}

/** Groups of a storm: those in write mode first, then those in read mode; a message names its group by its place. */
export class StormGroups {
  readonly users: readonly UserId[];
  /** For each user, the places of their groups. */
  readonly groupsOf: readonly (readonly number[])[];
  readonly #groups: readonly Group[];
  readonly #shape: StormShape;
  readonly #run: string;

  constructor(shape: StormShape, run: string) {
    this.#shape = shape;
    this.#run = run;
    this.users = userNames(run, shape.users);
    this.groupsOf = this.users.map((_, index) => [
      Math.floor(index / WRITE_MEMBERS),
      shape.writeGroups + (index % shape.readGroups),
    ]);
    const members: UserId[][] = Array.from({ length: shape.writeGroups + shape.readGroups }, () => []);
    this.users.forEach((user, index) => this.groupsOf[index]?.forEach((group) => members[group]?.push(user)));
    this.#groups = members.map((theirs, place) => ({
      conversation: `storm-${run}-${String(place)}` as ConversationId,
      owner: `storm-${run}-owner-${String(place)}` as UserId,
      members: theirs,
    }));
  }

  async create(sessions: UserSessions): Promise<void> {
    const { membersPerFrame } = protocolLimits;
    await inParallel(this.#groups, ({ conversation, owner, members }) =>
      sessions.as(owner, async (ask) => {
        const first = members.slice(0, membersPerFrame);
        await ask({ t: 'create', kind: 'group', conversation, title: this.#run, members: first });
        for (let from = membersPerFrame; from < members.length; from += membersPerFrame) {
          await ask({ t: 'invite', conversation, users: members.slice(from, from + membersPerFrame) });
        }
      }),
    );
  }

  /** What everybody misses. @returns of each group, in its place, where it lies. */
  async write(sessions: UserSessions): Promise<readonly MissedStream[]> {
    const { messagesEach } = this.#shape;
    const missed: MissedStream[] = [];
    await inParallel([...this.#groups.entries()], ([stream, { conversation, owner }]) =>
      sessions.as(owner, async (ask) => {
        const payload = newPayload(PAYLOAD_BYTES);
        for (let n = 1; n <= messagesEach; n += 1) {
          writePayload(payload, stream, n, systemClock.monotonicMs() * 1_000);
          const body = Buffer.from(payload).toString('latin1');
          const { seq } = await ask({ t: 'send', conversation, n, sentAt: n, type: 'text', body });
          if (n === 1) missed[stream] = { stream, conversation, firstSeq: seq, messages: messagesEach };
        }
      }),
    );
    return missed;
  }
}
