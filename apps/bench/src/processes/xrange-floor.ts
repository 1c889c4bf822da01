import { systemClock } from '@millrace/kernel';
import { Redis } from 'ioredis';

/** Entries that one device missed, as they lie in Redis. */
export interface StoredRange {
  readonly conversation: string;
  readonly gen: number;
  readonly firstSeq: number;
  readonly messages: number;
}

export type XrangeCommand =
  | { readonly op: 'find'; readonly url: string; readonly sets: Readonly<Record<string, readonly StoredRange[]>> }
  /** Reads that set from its beginning to its end, over and over for that time. */
  | { readonly op: 'read'; readonly name: string; readonly warmupMs: number; readonly measureMs: number };

export interface XrangeResult {
  readonly passes: number;
  readonly messages: number;
  readonly seconds: number;
}

/** Asked for at a time, and waited for. */
const ENTRIES_AT_ONCE = 500;
const SCAN_COUNT = 10_000;
/** What stands before the name of a conversation in the key of its stream. */
const TIMELINE_OF = ':t:c:';

interface Piece {
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly count: number;
}

/** Cuts ranges into requests of 500 entries together, of as many streams as that takes. Exported for its test. */
export function requestsOf(ranges: readonly StoredRange[], keyOf: (conversation: string) => string): Piece[][] {
  const requests: Piece[][] = [];
  let request: Piece[] = [];
  let room = ENTRIES_AT_ONCE;
  for (const { conversation, gen, firstSeq, messages } of ranges) {
    for (let done = 0; done < messages;) {
      const count = Math.min(room, messages - done);
      const first = firstSeq + done;
      const id = (seq: number): string => `${String(gen)}-${String(seq)}`;
      request.push({ key: keyOf(conversation), from: id(first), to: id(first + count - 1), count });
      done += count;
      room -= count;
      if (room > 0) continue;
      requests.push(request);
      [request, room] = [[], ENTRIES_AT_ONCE];
    }
  }
  return request.length === 0 ? requests : [...requests, request];
}

/** The floor of a login: XRANGE of the very entries that the device takes, by one client, 500 at a time. */
export class XrangeFloor {
  #redis: Redis | null = null;
  readonly #requests = new Map<string, Piece[][]>();

  async carryOut(command: XrangeCommand, onEdge: (edge: 'begin' | 'end') => void): Promise<XrangeResult | null> {
    if (command.op === 'read') return this.#read(command, onEdge);
    this.#redis = new Redis(command.url.replace(/^unix:\/\//, ''), { maxRetriesPerRequest: 0 });
    const keys = await this.#timelineKeys(this.#redis);
    const keyOf = (conversation: string): string => {
      const key = keys.get(conversation);
      if (key === undefined) throw new Error(`Redis has no stream of the conversation ${conversation}`);
      return key;
    };
    for (const [name, ranges] of Object.entries(command.sets)) this.#requests.set(name, requestsOf(ranges, keyOf));
    return null;
  }

  async #timelineKeys(redis: Redis): Promise<ReadonlyMap<string, string>> {
    const keys = new Map<string, string>();
    let cursor = '0';
    do {
      const [next, found] = await redis.scan(cursor, 'MATCH', `*${TIMELINE_OF}*`, 'COUNT', SCAN_COUNT);
      for (const key of found) keys.set(key.slice(key.indexOf(TIMELINE_OF) + TIMELINE_OF.length), key);
      cursor = next;
    } while (cursor !== '0');
    return keys;
  }

  async #pass(redis: Redis, requests: readonly (readonly Piece[])[]): Promise<number> {
    let messages = 0;
    for (const request of requests) {
      const [only] = request;
      if (request.length === 1 && only !== undefined) {
        const entries = await redis.xrangeBuffer(only.key, only.from, only.to, 'COUNT', only.count);
        messages += entries.length;
        continue;
      }
      const pipeline = redis.pipeline();
      for (const { key, from, to, count } of request) pipeline.xrangeBuffer(key, from, to, 'COUNT', count);
      for (const [error, entries] of (await pipeline.exec()) ?? []) {
        if (error !== null) throw error;
        messages += (entries as readonly unknown[]).length;
      }
    }
    return messages;
  }

  async #read(
    { name, warmupMs, measureMs }: Extract<XrangeCommand, { readonly op: 'read' }>,
    onEdge: (edge: 'begin' | 'end') => void,
  ): Promise<XrangeResult> {
    const requests = this.#requests.get(name);
    if (this.#redis === null || requests === undefined) throw new Error(`no entries were planned for ${name}`);
    const wanted = requests.flat().reduce((sum, { count }) => sum + count, 0);
    const startMs = systemClock.monotonicMs();
    let beganMs: number | null = null;
    let nowMs = startMs;
    let passes = 0;
    for (;;) {
      if (beganMs === null && nowMs - startMs >= warmupMs) {
        beganMs = nowMs;
        onEdge('begin');
      }
      if (beganMs !== null && nowMs - beganMs >= measureMs) break;
      const messages = await this.#pass(this.#redis, requests);
      // A floor that did less than it says would flatter what is compared with it.
      if (messages !== wanted) throw new Error(`XRANGE read ${String(messages)} of ${String(wanted)} entries`);
      nowMs = systemClock.monotonicMs();
      if (beganMs !== null) passes += 1;
    }
    onEdge('end');
    return { passes, messages: passes * wanted, seconds: (nowMs - beganMs) / 1_000 };
  }
}
