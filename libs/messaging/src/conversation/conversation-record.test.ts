import { fromUtf8, type UserId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { AConversation } from '../testing/a-conversation.ts';

const owner = 'owner' as UserId;
const settingsIn = (conversation: AConversation): object =>
  JSON.parse(fromUtf8(conversation.stored.fields.get('s') ?? new Uint8Array())) as object;
const unsaid = { muted: false, slowModeMs: 0, mentionAllBy: 'admins', pinBy: 'admins' };

describe('the settings in a record', () => {
  it('are not said as long as they are as in most conversations, for each byte is kept for as long as it is', () => {
    const conversation = new AConversation().created(['owner', 'member']);
    for (const name of Object.keys(unsaid)) expect(settingsIn(conversation)).not.toHaveProperty(name);
    expect(conversation.reloaded().meta.value).toMatchObject(unsaid);
    expect(conversation.reloaded().meta.value).toEqual(conversation.state.meta.value);
  });

  it('are said when they are not, and no more when they are so again', () => {
    const conversation = new AConversation().created(['owner', 'member']);
    const others = { slowModeMs: 5_000, mentionAllBy: 'members', pinBy: 'members' } as const;
    conversation.do({ t: 'settings', by: owner, change: others });
    expect(settingsIn(conversation)).toMatchObject(others);
    expect(conversation.reloaded().meta.value).toMatchObject(others);
    const back = { slowModeMs: 0, mentionAllBy: 'admins', pinBy: 'admins' } as const;
    conversation.do({ t: 'settings', by: owner, change: back });
    for (const name of Object.keys(unsaid)) expect(settingsIn(conversation)).not.toHaveProperty(name);
    expect(conversation.reloaded().meta.value).toMatchObject(unsaid);
  });
});
