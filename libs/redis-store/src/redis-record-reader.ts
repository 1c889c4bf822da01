import { fromUtf8, InvariantViolation, type PartitionId } from '@millrace/kernel';
import {
  mustBeSince,
  StoreUnavailable,
  Superseded,
  type ActorKey,
  type AnsweredAt,
  type RecordReader,
} from '@millrace/timeline';
import { Cluster } from 'ioredis';
import { answerWithin } from './deadline.ts';
import { readByFunction } from './function-library.ts';
import { Packer } from './pack.ts';
import type { RedisTimelineReaderParts } from './redis-timeline-reader.ts';
import { messageOf } from './store-errors.ts';
import { Unpacker } from './unpack.ts';

type Fields = ReadonlyMap<string, Uint8Array>;

/** Fields that one call may be asked for, if it is for more than one record: about a millisecond of Redis. */
const FIELDS_PER_CALL = 1_000;

const NOTHING: AnsweredAt = { token: '', commitNo: 0 };

/** Fields of one record that are wanted. */
interface Wanted {
  readonly partition: PartitionId;
  readonly key: string;
  readonly names: readonly string[];
  readonly resolve: (fields: Fields) => void;
  readonly reject: (error: unknown) => void;
}

/** What is asked for as of one moment: in one call. */
type Unit = readonly Wanted[];

/**
 * {@link RecordReader} on Redis hashes. The reads of one turn of the event loop go together, apart from the commits: several
 * as one call of functions/read-fields.lua, for each partition in a Cluster. A single one is an HMGET, unless it is to be as of the
 * same moment as where the store has the partition.
 */
export class RedisRecordReader implements RecordReader {
  readonly #parts: RedisTimelineReaderParts;
  readonly #packer = new Packer();
  #wanted: Unit[] = [];

  constructor(parts: RedisTimelineReaderParts) {
    this.#parts = parts;
  }

  async fields(
    partition: PartitionId,
    actor: ActorKey,
    names: readonly string[],
    since: AnsweredAt = NOTHING,
  ): Promise<Fields> {
    if (names.length === 0) return new Map();
    const { layout } = this.#parts;
    const record = { partition, key: layout.record(partition, actor), names };
    try {
      if (since.commitNo === 0) return (await this.#read([record]))[0] ?? new Map();
      // The owner's first: it is there, so that a node of a Cluster that a slot is leaving answers for both.
      const owned = { partition, key: layout.owner(partition), names: ['token', 'no'] };
      const [owner, fields = new Map()] = await this.#read([owned, record]);
      const [token = '', no = '0'] = owned.names.map((name) => fromUtf8(owner?.get(name) ?? new Uint8Array()));
      mustBeSince(since, { token, commitNo: Number(no) });
      return fields;
    } catch (error) {
      if (error instanceof InvariantViolation || error instanceof Superseded) throw error;
      throw new StoreUnavailable(`could not read the record of ${actor}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** All of them as of one moment. */
  #read(asked: readonly Pick<Wanted, 'partition' | 'key' | 'names'>[]): Promise<readonly Fields[]> {
    const unit: Wanted[] = [];
    const reading = asked.map(
      ({ partition, key, names }) =>
        new Promise<Fields>((resolve, reject) => void unit.push({ partition, key, names, resolve, reject })),
    );
    this.#wanted.push(unit);
    if (this.#wanted.length === 1) {
      this.#parts.timers.soon(() => {
        const wanted = this.#wanted;
        this.#wanted = [];
        for (const call of this.#callsOf(wanted)) void this.#carry(call);
      });
    }
    return Promise.all(reading);
  }

  #callsOf(all: readonly Unit[]): readonly (readonly Wanted[])[] {
    const inCluster = this.#parts.reads.client instanceof Cluster;
    const calls: Wanted[][] = [];
    const open = new Map<PartitionId | null, { readonly call: Wanted[]; fields: number }>();
    for (const unit of all) {
      const place = inCluster ? (unit[0]?.partition ?? null) : null;
      const count = unit.reduce((sum, { names }) => sum + names.length, 0);
      let last = open.get(place);
      if (last === undefined || last.fields + count > FIELDS_PER_CALL) {
        last = { call: [], fields: 0 };
        open.set(place, last);
        calls.push(last.call);
      }
      last.call.push(...unit);
      last.fields += count;
    }
    return calls;
  }

  async #carry(call: readonly Wanted[]): Promise<void> {
    try {
      const [first] = call;
      if (first !== undefined && call.length === 1) await this.#alone(first);
      else await this.#together(call);
    } catch (error) {
      for (const { reject } of call) reject(error);
    }
  }

  async #alone({ key, names, resolve }: Wanted): Promise<void> {
    const { reads, timers, answerMsMax } = this.#parts;
    const values = await answerWithin(timers, answerMsMax, reads.client.hmgetBuffer(key, ...names));
    const fields = new Map<string, Uint8Array>();
    names.forEach((name, at) => {
      const value = values[at] ?? null;
      if (value !== null) fields.set(name, value);
    });
    resolve(fields);
  }

  async #together(call: readonly Wanted[]): Promise<void> {
    const { reads, timers, answerMsMax } = this.#parts;
    this.#packer.array(call.reduce((sum, { names }) => sum + 2 + names.length, 0));
    for (const { key, names } of call) {
      this.#packer.text(key).count(names.length);
      for (const name of names) this.#packer.text(name);
    }
    const reply = readByFunction(reads.client, 'read_fields', [call[0]?.key ?? ''], [this.#packer.take()]);
    const unpacker = new Unpacker(await answerWithin(timers, answerMsMax, reply));
    unpacker.array();
    for (const { names, resolve, reject } of call) {
      if (unpacker.isAtText) {
        reject(new Error(unpacker.bytes().toString()));
        continue;
      }
      const fields = new Map<string, Uint8Array>();
      for (let left = unpacker.count(); left > 0; left -= 1) {
        const name = names[unpacker.count() - 1] ?? '';
        fields.set(name, unpacker.bytes());
      }
      resolve(fields);
    }
  }
}
