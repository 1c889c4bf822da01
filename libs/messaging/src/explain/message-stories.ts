import {
  err,
  ok,
  type ConversationId,
  type Generation,
  type NodeId,
  type PartitionId,
  type Result,
  type SequenceId,
  type Timers,
  type UserId,
} from '@millrace/kernel';
import type { ClusterView } from '@millrace/partition';
import { decodeEntry, frameError, type AckLevelName, type FrameError } from '@millrace/protocol';
import {
  conversationKey,
  cursorStatus,
  generationOf,
  StoreUnavailable,
  userKey,
  type ActorKey,
  type Position,
  type TimelineEntry,
  type TimelineHead,
  type TimelineReader,
} from '@millrace/timeline';
import type { ActorCalls, AnyReply } from '../actor-calls.ts';
import { tooOldError } from '../sync/read-messages.ts';
import type { RecipientAt } from '../conversation/commands.ts';
import type { NodeQuestion } from '../cluster/node-messages.ts';
import type { MessageTrace, TraceQuestion } from '../trace/message-trace.ts';
import type { TraceHere } from '../trace/trace-here.ts';
import { searchInbox, type InboxFound } from './inbox-search.ts';
import type { NodeFacts } from './story-facts.ts';
import type { MessageStory } from './story.ts';
import { tellStory } from './tell-story.ts';

export interface StoryQuery {
  readonly conversation: ConversationId;
  readonly seq: SequenceId;
  /** The generation that it is thought to be of. */
  readonly gen?: Generation;
  /** Of the recipients this one alone, else the first `limit`. */
  readonly user?: UserId;
  readonly limit: number;
}

export interface MessageStoriesParts {
  readonly self: NodeId;
  readonly name: string;
  readonly level: AckLevelName;
  readonly calls: ActorCalls;
  readonly timelines: TimelineReader;
  readonly trace: MessageTrace;
  readonly timers: Timers;
  /** The newest view that is known here, null for none. */
  view(): ClusterView | null;
  /** Null when there is no answer in time. */
  ask(msMax: number, to: NodeId, question: NodeQuestion): Promise<AnyReply | null>;
}

/** How long other nodes, and the users' owners, may take. */
const ANSWER_MS_MAX = 1_000;
/** Inboxes that are looked through at a time. */
const SEARCHES_MAX = 8;

type Refused = Result<never, FrameError>;

const noSuchMessage = (text: string): Refused => err(frameError('not_found', text));

/** Where a message is in its Timeline, or why there is none. */
export function locate(
  conversation: ConversationId,
  head: TimelineHead,
  seq: SequenceId,
  asked: Generation | undefined,
): Result<Position, FrameError> {
  if (head.seq === 0) return noSuchMessage(`there is nothing in ${conversation} yet`);
  if (asked !== undefined && asked < head.gen) {
    const status = cursorStatus(head, { gen: asked, seq });
    if (status.kind === 'regressed') {
      const from = String(status.from);
      const message = `generation ${String(asked)} of ${conversation} ended at seq ${from}: what came after was lost`;
      return err(frameError('regressed', message, { from: status.from }));
    }
  }
  const gen = generationOf(head, seq);
  if (seq > head.seq)
    return noSuchMessage(`${conversation} ends at seq ${String(head.seq)}: there is no ${String(seq)} yet`);
  const tooOld = tooOldError(conversation, head, seq);
  if (gen === null) return tooOld === null ? noSuchMessage(`${conversation} has no seq ${String(seq)}`) : err(tooOld);
  if (asked !== undefined && asked !== gen)
    return noSuchMessage(`seq ${String(seq)} of ${conversation} is of generation ${String(gen)}, not ${String(asked)}`);
  return ok({ gen, seq });
}

/** Tells of single messages what became of them: from what is stored, and from what every node has traced. */
export class MessageStories {
  readonly #parts: MessageStoriesParts;

  constructor(parts: MessageStoriesParts) {
    this.#parts = parts;
  }

  /**
   * `not_found` for what was never there, or for a user who did not receive it; `regressed` for what was lost;
   * `unavailable` when the conversation cannot be asked or read now.
   */
  async tell(query: StoryQuery): Promise<Result<MessageStory, FrameError>> {
    try {
      return await this.#tell(query);
    } catch (error) {
      if (error instanceof StoreUnavailable) return err(frameError('unavailable', error.message));
      throw error;
    }
  }

  async #tell({ conversation, seq, gen, user, limit }: StoryQuery): Promise<Result<MessageStory, FrameError>> {
    const { calls, level, name: asked } = this.#parts;
    const seen = await calls.conversation(conversation, { t: 'visible', user: null });
    if (!seen.ok) return seen;
    const { head } = seen.value;
    const position = locate(conversation, head, seq, gen);
    if (!position.ok) return position;
    const { data } = await this.#read(conversation, position.value);
    const entry = decodeEntry(data);
    const { from, deviceTag } = entry;
    const author = from === null ? null : { user: from, deviceTag };
    const audience = await calls.conversation(conversation, {
      t: 'audienceAt',
      seq,
      author,
      user: user ?? null,
      limit,
    });
    if (!audience.ok) return audience;
    const { members } = audience.value;
    if (user !== undefined && members.length === 0)
      return noSuchMessage(`${user} was no member of ${conversation} when seq ${String(seq)} was written`);
    const nodes = await this.#askAll({ conversation, ...position.value, of: members.map((each) => each.user) });
    const inboxes = await this.#search(conversation, position.value, entry.at, members, nodes);
    return ok(
      tellStory({
        conversation,
        position: position.value,
        head,
        partition: calls.partitionOf(conversationKey(conversation)),
        level,
        entry,
        bytes: data.length,
        audience: audience.value,
        inboxes,
        nodes,
        asked,
      }),
    );
  }

  async #read(conversation: ConversationId, position: Position): Promise<TimelineEntry> {
    const { partition, actor } = this.#at(conversationKey(conversation));
    const entry = await this.#parts.timelines.at(partition, actor, position);
    if (entry !== null) return entry;
    throw new StoreUnavailable(`seq ${String(position.seq)} of ${conversation} cannot be read at the moment`);
  }

  /** Every member at the same time, this node among them. */
  async #askAll(question: TraceQuestion): Promise<readonly NodeFacts[]> {
    const { self, name, trace } = this.#parts;
    const members = this.#parts.view()?.members ?? [];
    const others = members.filter(({ node }) => node !== self);
    const answers = await Promise.all(
      others.map(async (member): Promise<NodeFacts> => {
        const reply = await this.#parts.ask(ANSWER_MS_MAX, member.node, { q: 'trace', ...question });
        return { name: member.name, node: member.node, trace: reply?.ok === true ? traceOf(reply.value) : null };
      }),
    );
    const own: NodeFacts = { name, node: self, trace: trace.tell(question) };
    return [...answers, own].sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** Where the recipients' inboxes have it. What a node has traced is not looked for. */
  async #search(
    conversation: ConversationId,
    message: Position,
    atMs: number,
    members: readonly RecipientAt[],
    nodes: readonly NodeFacts[],
  ): Promise<readonly (InboxFound | null)[]> {
    const traced = new Set<UserId>();
    for (const { trace } of nodes)
      for (const { user, inbox } of trace?.delivered ?? []) if (inbox.seq !== null) traced.add(user);
    const found: (InboxFound | null)[] = [];
    for (let from = 0; from < members.length; from += SEARCHES_MAX) {
      const some = members.slice(from, from + SEARCHES_MAX);
      found.push(
        ...(await Promise.all(
          some.map(async ({ user }) =>
            traced.has(user) ? null : await this.#searchOne(user, conversation, message, atMs),
          ),
        )),
      );
    }
    return found;
  }

  async #searchOne(user: UserId, conversation: ConversationId, message: Position, atMs: number): Promise<InboxFound> {
    const { calls, timelines } = this.#parts;
    const place = await this.#soon(calls.user(user, { t: 'place', conversation }));
    if (place?.ok !== true) return { state: 'unavailable' };
    return searchInbox(timelines, this.#at(userKey(user)), place.value, message, atMs);
  }

  #at(actor: ActorKey): { readonly partition: PartitionId; readonly actor: ActorKey } {
    return { partition: this.#parts.calls.partitionOf(actor), actor };
  }

  /** Null when it takes too long: a user whose partition nobody serves does not hold up the rest. */
  #soon<T>(answer: Promise<T>): Promise<T | null> {
    return new Promise((resolve, reject) => {
      const cancel = this.#parts.timers.after(ANSWER_MS_MAX, () => {
        resolve(null);
      });
      answer.then(resolve, reject).finally(cancel);
    });
  }
}

/** A node of another version may not know the question. */
function traceOf(value: unknown): TraceHere | null {
  return typeof value === 'object' && value !== null && 'sequenced' in value ? (value as TraceHere) : null;
}
