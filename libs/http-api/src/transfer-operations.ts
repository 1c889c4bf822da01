import { addTo, err, ok, type Result } from '@millrace/kernel';
import type { TransferService } from '@millrace/messaging';
import { frameError, type FrameError } from '@millrace/protocol';
import { z } from 'zod';
import { conversationId, querySeq, read } from './input.ts';
import { given, type Operation } from './operation.ts';
import type { NamesOf } from './ports.ts';
import { importBody, lineOf, readSlice, type RawSlice } from './transfer-input.ts';

const atConversation = z.object({ conversation: conversationId });
const cursor = z.string().min(1).max(256);
const namesPage = z.strictObject({ cursor: cursor.optional() });
const exportPage = z
  .strictObject({ cursor: cursor.optional(), from: querySeq.optional() })
  .refine((asked) => asked.cursor === undefined || asked.from === undefined, 'from is for the first page alone');

/** Conversations that one request imports at a time. */
const AT_ONCE = 16;

type SliceResult =
  | {
      readonly ok: true;
      readonly conversation: string;
      readonly seq: number;
      readonly done: boolean;
      readonly announced: string | null;
    }
  | { readonly ok: false; readonly line: number | null; readonly error: FrameError };

async function importOne(chat: TransferService, raw: RawSlice): Promise<SliceResult> {
  const slice = readSlice(raw);
  if (!slice.ok) return { ok: false, ...slice.error };
  const taken = await chat.importSlice(slice.value);
  if (taken.ok) {
    const { seq, isDone, announced } = taken.value;
    return { ok: true, conversation: slice.value.line.conversation, seq, done: isDone, announced };
  }
  const { seq, user, ...error } = taken.error;
  return { ok: false, line: lineOf(raw, given({ seq, user })), error };
}

/** Slices of one conversation in their order, those of different ones side by side. Behind a refusal it takes no more. */
async function importAll(chat: TransferService, slices: readonly RawSlice[]): Promise<readonly SliceResult[]> {
  const results: SliceResult[] = [];
  const lines = new Map<unknown, number[]>();
  for (const [
    index,
    {
      lines: [first],
    },
  ] of slices.entries()) {
    const of = first?.['conversation'];
    addTo(lines, of, index);
  }
  const queue = lines.values();
  const work = async (): Promise<void> => {
    for (const indexes of queue) {
      let refused = false;
      for (const index of indexes) {
        const raw = slices[index];
        if (raw === undefined) continue;
        const skipped = frameError('conflict', 'a slice of this conversation before it was refused');
        const result: SliceResult = refused ? { ok: false, line: null, error: skipped } : await importOne(chat, raw);
        results[index] = result;
        refused ||= !result.ok;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}

/** Conversations as a whole, out of the deployment and into it, for an operator. */
export function transferOperations(chat: TransferService, names: NamesOf): readonly Operation[] {
  return [
    {
      id: 'listExport',
      method: 'GET',
      path: '/api/v1/export',
      access: 'admin',
      async run({ query }) {
        const page = read(namesPage, query);
        if (!page.ok) return page;
        const found = await names(page.value.cursor ?? null);
        return found.ok ? ok({ status: 200, body: found.value }) : found;
      },
    },
    {
      id: 'exportConversation',
      method: 'GET',
      path: '/api/v1/export/:conversation',
      access: 'admin',
      async run({ params, query }) {
        const at = read(atConversation, params);
        if (!at.ok) return at;
        const asked = read(exportPage, query);
        if (!asked.ok) return asked;
        const { cursor: from = null, ...rest } = asked.value;
        const page = await chat.exportPage({ ...at.value, cursor: from, ...given(rest) });
        return page.ok ? ok({ status: 200, body: page.value }) : err(page.error);
      },
    },
    {
      id: 'importConversations',
      method: 'POST',
      path: '/api/v1/import',
      access: 'admin',
      async run({ body }): Promise<Result<{ readonly status: number; readonly body: object }, FrameError>> {
        const asked = read(importBody, body);
        if (!asked.ok) return asked;
        return ok({ status: 200, body: { results: await importAll(chat, asked.value.slices) } });
      },
    },
  ];
}
