import { type NodeId, type UserId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import {
  decodeNote,
  decodeRequest,
  encodeNote,
  encodeRequest,
  SPEECH,
  type NodeAnswer,
  type NodeNote,
} from './node-messages.ts';
import { takeNote } from './notes.ts';
import { takeRequest } from './requests.ts';

const later = 'node-of-a-later-version' as NodeId;
/** What must not be asked for anything fails when it is. */
const nobody = new Proxy({}, { get: (_, name) => expect.fail(`${String(name)} was asked`) }) as never;

describe('between nodes of two versions', () => {
  it('a request of a kind that is not known here is answered, with what makes the other one ask later', () => {
    const request = { q: 'divine', user: 'ann' as UserId } as never;
    const answers: NodeAnswer[] = [];
    const sent = decodeRequest(encodeRequest({ version: 1, request }, SPEECH));
    takeRequest(later, sent.request, (answer) => answers.push(answer), nobody);
    expect(answers).toMatchObject([{ ok: false, error: { code: 'unavailable', retry: 'later' } }]);
  });

  it('a note of a kind that is not known here is left alone', () => {
    const note = { n: 'whisper', users: ['ann' as UserId] } as unknown as NodeNote;
    expect(() => {
      takeNote(later, decodeNote(encodeNote(note, SPEECH)), nobody);
    }).not.toThrow();
  });
});
