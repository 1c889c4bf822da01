import { fromUtf8, invariant, parseNodeId, seededRandom, utf8, type NodeId } from '@millrace/kernel';
import { defaultLinkLimits, type LinkLimits } from '../link-limits.ts';
import { Links } from '../links.ts';
import { HandTime } from './hand-time.ts';
import { ScriptedStreams } from './scripted-streams.ts';

export function nodeId(name: string): NodeId {
  const parsed = parseNodeId(name);
  invariant(parsed.ok, `not a node id: ${name}`);
  return parsed.value;
}

/** One node that writes down what it is told, and answers `re:<request>` unless the test holds its answers. */
export class ANode {
  readonly id: NodeId;
  readonly links: Links;
  readonly heard: string[] = [];
  readonly gone: string[] = [];
  readonly logged: string[] = [];
  /** When not null, requests wait here for the test to answer them. */
  held: { readonly text: string; readonly answer: (payload: Uint8Array) => void }[] | null = null;

  constructor(name: string, streams: ScriptedStreams, time: HandTime, limits: Partial<LinkLimits>, seed: number) {
    this.id = nodeId(name);
    this.links = new Links({
      self: this.id,
      streams,
      clock: time,
      timers: time,
      random: seededRandom(seed),
      limits: { ...defaultLinkLimits, ...limits },
      log: { warn: (message) => this.logged.push(message), error: (message) => this.logged.push(message) },
      onRequest: (from, payload, answer) => {
        const text = fromUtf8(payload);
        this.heard.push(`${from}?${text}`);
        if (this.held === null) answer(utf8(`re:${text}`));
        else this.held.push({ text, answer });
      },
      onNote: (from, payload) => this.heard.push(`${from}!${fromUtf8(payload)}`),
      onGap: (from) => this.heard.push(`${from}:gap`),
      onGone: (node) => this.gone.push(node),
    });
  }

  /** Calls another node. @returns the outcomes so far: never more than one. */
  call(to: ANode, text: string): string[] {
    const outcomes: string[] = [];
    this.links.call(to.id, utf8(text), (outcome) => {
      outcomes.push(outcome.ok ? fromUtf8(outcome.value) : outcome.error.code);
    });
    return outcomes;
  }

  note(to: ANode, text: string): void {
    this.links.note(to.id, utf8(text));
  }
}

export interface SomeNodes {
  readonly time: HandTime;
  readonly streams: ScriptedStreams;
  readonly a: ANode;
  readonly b: ANode;
}

/** Two nodes, a and b, whose streams are open. */
export async function someNodes(limits: Partial<LinkLimits> = {}): Promise<SomeNodes> {
  const time = new HandTime();
  const streams = new ScriptedStreams();
  const a = new ANode('a', streams, time, limits, 1);
  const b = new ANode('b', streams, time, limits, 2);
  for (const { links } of [a, b]) await links.open();
  return { time, streams, a, b };
}
