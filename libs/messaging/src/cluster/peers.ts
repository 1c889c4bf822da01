import { err, MalformedBytes, type NodeId, type Random, type Clock, type Timers } from '@millrace/kernel';
import { Links, type LinkLimits, type LinksSize, type NodeStreams } from '@millrace/node-link';
import type { ClusterView, PartitionLog } from '@millrace/partition';
import { frameError } from '@millrace/protocol';
import type { AnyReply } from '../actor-calls.ts';
import {
  decodeAnswer,
  decodeNote,
  decodeRequest,
  encodeAnswer,
  encodeNote,
  encodeRequest,
  speechOf,
  type NodeAnswer,
  type NodeNote,
  type NodeRequest,
  type SentRequest,
} from './node-messages.ts';

export interface PeersParts {
  readonly self: NodeId;
  readonly streams: NodeStreams;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly limits: LinkLimits;
  readonly log: PartitionLog;
  /** The newest that is known here. */
  view(): ClusterView | null;
  /** Another node goes by a newer view than this one has. */
  behind(): void;
  onRequest(from: NodeId, request: NodeRequest, answer: (outcome: NodeAnswer) => void): void;
  onNote(from: NodeId, note: NodeNote): void;
  /** Something that this node was told of by that one is lost. */
  onGap(from: NodeId): void;
  onGone(node: NodeId): void;
}

interface Parked {
  readonly version: number;
  readonly handle: () => void;
}

/** How long a request waits for the view that its sender went by, milliseconds. */
const PARKED_MS_MAX = 2_000;
const OPEN_RETRY_MS = 200;

/**
 * The other nodes: what is asked of them and told to them, in messages.
 *
 * (N1) A request that was sent by a newer view waits for that view, so that a new owner does not refuse what it is about
 *      to own; and what comes behind it from the same node and goes by that view waits behind it.
 */
export class Peers {
  readonly #parts: PeersParts;
  readonly #links: Links;
  #parked: Parked[] = [];

  constructor(parts: PeersParts) {
    const { self, streams, clock, timers, random, limits, log } = parts;
    this.#parts = parts;
    this.#links = new Links({
      self,
      streams,
      clock,
      timers,
      random,
      limits,
      log,
      onRequest: (from, payload, answer) => {
        this.#requested(from, payload, answer);
      },
      onNote: (from, payload) => {
        this.#noted(from, payload);
      },
      onGap: (from) => {
        parts.onGap(from);
      },
      onGone: (node) => {
        parts.onGone(node);
      },
    });
  }

  get size(): LinksSize {
    return this.#links.size;
  }

  /** From here on others reach this node. Waits for a store that is away, until `isOver`. */
  async open(isOver: () => boolean): Promise<void> {
    const { timers, log } = this.#parts;
    for (let announced = ''; !isOver();) {
      const opened = await this.#links.open();
      if (opened.ok) return;
      if (opened.error.message !== announced) log.warn(`waiting to be reachable: ${opened.error.message}`);
      announced = opened.error.message;
      await new Promise<void>((resolve) => {
        timers.after(OPEN_RETRY_MS, resolve);
      });
    }
  }

  close(): Promise<void> {
    return this.#links.close();
  }

  ask(to: NodeId, request: NodeRequest, answer: (outcome: NodeAnswer | 'gone' | 'overloaded') => void): void {
    const version = this.#viewVersion;
    this.#links.call(to, encodeRequest({ version, request }, this.#speechOf(to)), (outcome) => {
      if (!outcome.ok) answer(outcome.error.code);
      else answer(this.#answerOf(to, outcome.value));
    });
  }

  /** Null when there is no answer in time, or none at all: what became of the request is not known then. */
  askWithin(msMax: number, to: NodeId, request: NodeRequest): Promise<AnyReply | null> {
    return new Promise((resolve) => {
      const cancel = this.#parts.timers.after(msMax, () => {
        resolve(null);
      });
      this.ask(to, request, (outcome) => {
        cancel();
        resolve(typeof outcome === 'string' ? null : outcome);
      });
    });
  }

  tell(to: NodeId, note: NodeNote): void {
    this.#links.note(to, encodeNote(note, this.#speechOf(to)));
  }

  tellAll(nodes: Iterable<NodeId>, note: NodeNote): void {
    let packed: { readonly speech: number; readonly payload: Uint8Array } = { speech: 0, payload: new Uint8Array() };
    for (const node of nodes) {
      const speech = this.#speechOf(node);
      if (packed.speech !== speech) packed = { speech, payload: encodeNote(note, speech) };
      this.#links.note(node, packed.payload);
    }
  }

  /** How much of what may wait for that node does, 0..1 and a little above. */
  backlog(to: NodeId): number {
    return this.#links.backlog(to);
  }

  forget(node: NodeId): void {
    this.#links.forget(node);
  }

  /** The store is back after it was away. */
  probe(): void {
    this.#links.probe();
  }

  /** A newer view is known: what waited for it goes on. */
  viewChanged(): void {
    const version = this.#viewVersion;
    const ready = this.#parked.filter((parked) => parked.version <= version);
    this.#parked = this.#parked.filter((parked) => parked.version > version);
    for (const { handle } of ready) handle();
  }

  get #viewVersion(): number {
    return this.#parts.view()?.version ?? 0;
  }

  /** Of a node that no view names yet, as little is taken for granted as of one that runs an older version. */
  #speechOf(node: NodeId): number {
    return this.#parts.view()?.members.find((member) => member.node === node)?.speaks ?? 1;
  }

  #requested(from: NodeId, payload: Uint8Array, answer: (payload: Uint8Array) => void): void {
    const speech = speechOf(payload);
    const sent = this.#read(from, payload);
    if (sent === null) {
      // Of another version of the program, say: whoever asked must not wait for ever.
      answer(encodeAnswer(err(frameError('unavailable', 'a node could not read what another one asked')), speech));
      return;
    }
    const { version, request } = sent;
    const handle = (): void => {
      this.#parts.onRequest(from, request, (outcome) => {
        answer(encodeAnswer(outcome, speech, request));
      });
    };
    if (version <= this.#viewVersion) {
      handle();
      return;
    }
    const parked = { version, handle };
    this.#parked.push(parked);
    this.#parts.behind();
    this.#parts.timers.after(PARKED_MS_MAX, () => {
      if (!this.#parked.includes(parked)) return;
      this.#parked = this.#parked.filter((each) => each !== parked);
      answer(encodeAnswer('not_owner', speech));
    });
  }

  #read(from: NodeId, payload: Uint8Array): SentRequest | null {
    try {
      return decodeRequest(payload);
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      this.#parts.log.error('a request of another node cannot be read', { from, why: error.message });
      return null;
    }
  }

  /** An answer that cannot be read tells nothing of what became of the request. */
  #answerOf(from: NodeId, payload: Uint8Array): NodeAnswer | 'gone' {
    try {
      return decodeAnswer(payload);
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      this.#parts.log.error('an answer of another node cannot be read', { from, why: error.message });
      return 'gone';
    }
  }

  #noted(from: NodeId, payload: Uint8Array): void {
    this.#parts.onNote(from, decodeNote(payload));
  }
}
