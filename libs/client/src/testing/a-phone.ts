import { generation, sequenceId, type ConversationId, type DeviceId, type UserId } from '@millrace/kernel';
import { deviceTag, type ConversationSummary, type Message, type Push, type Synced } from '@millrace/protocol';
import type { DeviceInput } from '../subscription/device-input.ts';
import { Device, newDevice } from '../subscription/device-state.ts';
import type { Effect } from '../subscription/effects.ts';

export const ann = 'ann' as UserId;
export const town = 'town' as ConversationId;
export const tag = deviceTag(ann, 'phone' as DeviceId);
export const at = (seq: number) => ({ gen: generation(1), seq: sequenceId(seq) });

export const message = (seq: number, more: Partial<Message> = {}): Message => ({
  ...at(seq),
  msgNo: seq,
  countable: true,
  from: 'ben' as UserId,
  deviceTag: 0,
  n: 0,
  sentAt: 0,
  at: seq,
  type: 'text',
  body: String(seq),
  ...more,
});

export const control = (seq: number, body: object): Message =>
  message(seq, { countable: false, from: null, type: 'control', body: JSON.stringify(body) });

export const summary = (seq: number, diffusion: 'write' | 'read'): ConversationSummary => ({
  ...{ conversation: town, kind: 'group', title: 'Town', peer: null, member: true, diffusion },
  ...{ ...at(seq), lastAt: seq, msgNo: seq, readSeq: sequenceId(0), readMsgNo: 0, own: 0, unread: seq },
});

export const synced = (
  inbox: number,
  messages: readonly Message[],
  diffusion: 'write' | 'read',
): Omit<Synced, 't' | 'id'> => ({
  ...{ tooLong: false, regressed: false, hasMore: false, inbox: at(inbox), token: `token ${String(inbox)}` },
  conversations: [{ summary: summary(messages.at(-1)?.seq ?? 0, diffusion), messages }],
});

export const push = (prev: number, seq: number, ...messages: readonly Message[]): Push => ({
  ...{ t: 'push', gen: generation(1), prev: sequenceId(prev), seq: sequenceId(seq) },
  items: [{ conversation: town, messages }],
});

/** A device that has town up to entry 3, which switched it over, and the inbox up to 3. */
export class APhone {
  readonly delivered: number[] = [];
  readonly syncs: Extract<Effect, { do: 'sync' }>[] = [];
  /** Entries that the application is told of beside their messages. */
  readonly hints: number[] = [];
  /** Conversations to be looked for in the list. */
  readonly described: ConversationId[] = [];
  readonly device: Device;

  constructor() {
    const nothing = (): void => undefined;
    const changes = { sync: nothing, conversation: nothing, cached: nothing, dropped: nothing };
    const context = { user: ann, deviceTag: tag, sendsPending: () => false };
    this.device = new Device(newDevice(), context, changes, 100);
    this.step({ on: 'connected', inbox: at(0) });
    const members = ['ann', 'ben'];
    const created = control(1, { control: 'created', kind: 'group', title: 'Town', members });
    const entries = [created, message(2), control(3, { control: 'diffusion', mode: 'read' })];
    this.step({ on: 'synced', synced: synced(3, entries, 'read') });
    this.syncs.length = 0;
  }

  step(input: DeviceInput): void {
    for (const effect of this.device.step(input)) {
      if (effect.do === 'deliver') this.delivered.push(effect.message.seq);
      if (effect.do === 'sync') this.syncs.push(effect);
      if (effect.do === 'hint') this.hints.push(effect.item.hint.seq);
      if (effect.do === 'describe') this.described.push(effect.conversation);
    }
  }
}
