import type { ConversationId } from '@millrace/kernel';
import {
  isCut,
  laterThrough,
  mayPut,
  mayRemove,
  throughBehindCut,
  withCut,
  type HeldVersion,
} from '../../newest-wins.ts';
import type { Change, IndexBatch } from '../../search-index.ts';
import { keyOf } from './encoded.ts';
import {
  cursorDocument,
  goneDocument,
  markDocument,
  markId,
  messageDocument,
  messageId,
  type Mark,
  type TypesenseDocument,
} from './typesense-documents.ts';

/** What the collection holds of a message. */
export interface HeldMessage extends HeldVersion {
  /** Encoded; '' for one that was removed. */
  readonly sender: string;
}

/** What the collection holds of what a batch touches, by id. */
export interface HeldState {
  readonly messages: ReadonlyMap<string, HeldMessage>;
  readonly marks: ReadonlyMap<string, Mark>;
}

/** What a batch comes to. First the removals, then the documents, then the cursor. */
export interface SettledBatch {
  /** Conditions on what is removed. */
  readonly removals: readonly string[];
  readonly documents: readonly TypesenseDocument[];
  readonly cursor: TypesenseDocument;
}

const conversationOf = (change: Change): ConversationId =>
  change.kind === 'put' ? change.document.conversation : change.conversation;

/** Of the message that a change is of; null where it is of more than one. */
function seqOf(change: Change): number | null {
  if (change.kind === 'put') return change.document.seq;
  return change.kind === 'remove' ? change.seq : null;
}

/** The ids of a conversation's messages that a batch touches, up to a seq. */
const seqIdsOf = ({ changes }: IndexBatch, conversation: ConversationId, upTo: number): ReadonlySet<string> =>
  new Set(
    changes.flatMap((change) => {
      const seq = seqOf(change);
      return seq === null || seq > upTo || conversationOf(change) !== conversation
        ? []
        : [messageId(conversation, seq)];
    }),
  );

/** The ids that a batch touches. */
export function idsOf({ changes, through }: IndexBatch): { readonly messages: string[]; readonly marks: string[] } {
  const messages = new Set<string>();
  const marks = new Set<string>();
  for (const change of changes) {
    marks.add(markId(conversationOf(change)));
    if (change.kind === 'put') messages.add(messageId(change.document.conversation, change.document.seq));
    if (change.kind === 'remove') messages.add(messageId(change.conversation, change.seq));
  }
  for (const { conversation } of through) marks.add(markId(conversation));
  return { messages: [...messages], marks: [...marks] };
}

/** Plays a batch through in memory, in its order, so that each document is written once, as it is in the end. */
export function settleBatch(batch: IndexBatch, held: HeldState): SettledBatch {
  const versions = new Map(held.messages);
  const marks = new Map<ConversationId, Mark>();
  const written = new Map<string, { readonly document: TypesenseDocument; readonly conversation: ConversationId }>();
  const removals: string[] = [];
  const forgotten = new Set<ConversationId>();
  const markOf = (conversation: ConversationId): Mark => {
    const before = forgotten.has(conversation) ? undefined : held.marks.get(markId(conversation));
    return marks.get(conversation) ?? before ?? { through: null, cuts: [] };
  };

  for (const change of batch.changes) {
    const conversation = conversationOf(change);
    if (change.kind === 'forget') {
      removals.push(`conversation:=${keyOf(conversation)}`);
      for (const id of seqIdsOf(batch, conversation, Infinity)) {
        written.delete(id);
        versions.delete(id);
      }
      marks.delete(conversation);
      forgotten.add(conversation);
      continue;
    }
    const mark = markOf(conversation);
    marks.set(conversation, mark);
    if (change.kind === 'cut') {
      const { gen, from } = change;
      const which = `kind:=[message,gone] && conversation:=${keyOf(conversation)}`;
      removals.push(`${which} && gen:<${String(gen)} && seq:>=${String(from)}`);
      for (const [id, one] of written) {
        const isLost = Number(one.document['gen']) < gen && Number(one.document['seq']) >= from;
        if (one.conversation === conversation && isLost) written.delete(id);
      }
      // Of what the collection holds there, too: whatever comes next finds nothing.
      for (const touched of batch.changes) {
        const seq = seqOf(touched);
        if (seq === null || conversationOf(touched) !== conversation) continue;
        const id = messageId(conversation, seq);
        if (seq >= from && (versions.get(id)?.gen ?? gen) < gen) versions.delete(id);
      }
      marks.set(conversation, { cuts: withCut(mark.cuts, change), through: throughBehindCut(mark.through, change) });
      continue;
    }
    if (change.kind === 'erase') {
      const sender = keyOf(change.sender);
      const isOf = (id: string): boolean => (versions.get(id)?.sender ?? '') === sender;
      removals.push(
        `kind:=message && conversation:=${keyOf(conversation)} && sender:=${sender} && seq:<=${String(change.upTo)}`,
      );
      for (const id of seqIdsOf(batch, conversation, change.upTo)) {
        if (!isOf(id)) continue;
        // What it was put over is gone with it.
        if (written.delete(id)) removals.push(`id:[${id}]`);
        versions.delete(id);
      }
      continue;
    }
    const { gen, seq, rev } = change.kind === 'put' ? change.document : change;
    if (isCut(mark.cuts, { gen, seq })) continue;
    const id = messageId(conversation, seq);
    const before = versions.get(id) ?? null;
    const isPut = change.kind === 'put';
    if (!(isPut ? mayPut : mayRemove)({ gen, rev }, before)) continue;
    const document = isPut ? messageDocument(change.document) : goneDocument(conversation, seq, gen, rev);
    versions.set(id, { gen, rev, removed: !isPut, sender: isPut ? keyOf(change.document.sender) : '' });
    written.set(id, { document, conversation });
  }
  for (const { conversation, gen, seq } of batch.through) {
    const mark = markOf(conversation);
    marks.set(conversation, { ...mark, through: laterThrough(mark.through, { gen, seq }) });
  }
  return {
    removals,
    documents: [
      ...[...written.values()].map(({ document }) => document),
      ...[...marks].map(([conversation, mark]) => markDocument(conversation, mark)),
    ],
    cursor: cursorDocument(batch.partition, batch.cursor),
  };
}
