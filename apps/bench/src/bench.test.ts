import { encodeServerFrames, encodeEntry, WireEntry } from '@millrace/protocol';
import { generation, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, clientFrame } from './load/frame-socket.ts';
import { scanJsonMessage } from './load/millrace-json.ts';
import { scanServerMessage } from './load/millrace-scan.ts';
import { PAYLOAD_HEAD_CHARS, ageAt, newPayload, numberAt, streamAt, writePayload } from './load/payload.ts';
import { Latency } from './measure/latency.ts';
import { median, medianOf } from './measure/median.ts';
import { cpuMicrosOf, parseCpuMicros, parseResidentBytes } from './measure/proc-stat.ts';
import { parseBenchOptions } from './options.ts';
import { parseBenchmark } from './workloads/redis-floor.ts';
import { directShape, groupShapes, oneEachShape, planOf } from './workloads/shape.ts';
import { StoredCheck } from './workloads/stored-check.ts';

describe('what is measured', () => {
  it('is the CPU time of a process, whatever it is called', () => {
    const rest = `S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 7 0 100`;
    expect(parseCpuMicros(`42 (node) ${rest}`)).toBe(2_000_000);
    expect(parseCpuMicros(`42 (a) b (c) ${rest}`)).toBe(2_000_000);
    expect(parseCpuMicros('nothing')).toBe(null);
    expect(parseResidentBytes('VmPeak:\t  9 kB\nVmRSS:\t  2048 kB\n')).toBe(2_097_152);
  });

  it('is nothing, and no zero, for a process that is not there', () => {
    expect(cpuMicrosOf(null)).toBe(null);
    expect(cpuMicrosOf(2 ** 22 + 1)).toBe(null);
    expect(cpuMicrosOf(process.pid)).toBeGreaterThan(0);
  });

  it('keeps latencies through another process, and adds them up', () => {
    const one = new Latency();
    for (let micros = 1_000; micros <= 100_000; micros += 1_000) one.record(micros);
    const other = Latency.decode(one.encode());
    other.add(one);
    expect(other.count).toBe(200);
    const summary = other.summary();
    expect(summary?.p50).toBeCloseTo(50, 0);
    expect(summary?.p99).toBeCloseTo(99, 0);
    expect(summary?.max).toBeCloseTo(100, 0);
    expect(new Latency().summary()).toBe(null);
  });

  it('is the median round, number by number', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2.5, null]);
    const rounds = [5, 1, 3].map((value) => ({ rate: value, cpu: { node: value * 2, redis: null } }));
    expect(medianOf(rounds)).toEqual({ rate: 3, cpu: { node: 6, redis: null } });
    expect(medianOf([{ a: { b: 1 } }, { a: null }])).toEqual({ a: { b: 1 } });
  });

  it('reads what redis-benchmark prints', () => {
    const csv = `"test","rps","avg_latency_ms"\n"XADD floor * e xxx","236406.62","2.841"\n`;
    expect(parseBenchmark(csv)).toBe(236_406.62);
    expect(parseBenchmark('Could not connect to Redis')).toBe(null);
  });
});

describe('a payload', () => {
  it('tells its stream, its number and its age', () => {
    fc.assert(
      fc.property(
        fc.nat(2 ** 24 - 1),
        fc.nat(2 ** 30 - 1),
        fc.nat(2 ** 40),
        fc.nat(60_000_000),
        (stream, n, sentMicros, age) => {
          const payload = newPayload(PAYLOAD_HEAD_CHARS + 10);
          writePayload(payload, stream, n, sentMicros);
          expect([streamAt(payload, 0), numberAt(payload, 0)]).toEqual([stream, n]);
          expect(ageAt(payload, 0, sentMicros + age)).toBe(age);
          expect(Buffer.from(payload).toString('latin1')).toMatch(/^[0-z]+$/);
        },
      ),
    );
  });
});

describe('the load’s WebSocket frames', () => {
  it('are masked, as a client’s must be, and their lengths are told in all three forms', () => {
    for (const length of [0, 125, 126, 65_535, 65_536]) {
      const frame = clientFrame(2, new Uint8Array(length).fill(7));
      expect(frame[0]).toBe(0x82);
      expect((frame[1] ?? 0) & 0x80).toBe(0x80);
      expect(frame.length - length).toBe(length < 126 ? 6 : length < 65_536 ? 8 : 14);
    }
  });

  it('are read the same however the network cuts them', () => {
    const serverFrame = (payload: Buffer): Buffer =>
      payload.length < 126
        ? Buffer.concat([Buffer.from([0x82, payload.length]), payload])
        : Buffer.concat([Buffer.from([0x82, 126, payload.length >> 8, payload.length & 255]), payload]);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
        (lengths, cuts) => {
          const payloads = lengths.map((length, index) => Buffer.alloc(length, index));
          const bytes = Buffer.concat(payloads.map(serverFrame));
          const seen: Buffer[] = [];
          const reader = new FrameReader((opcode, isLast, payload) => {
            expect([opcode, isLast]).toEqual([2, true]);
            seen.push(Buffer.from(payload));
          });
          for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
            const size = cuts[turn % cuts.length] ?? 1;
            reader.read(Buffer.from(bytes.subarray(at, at + size)));
            at += size;
          }
          expect(seen).toEqual(payloads);
        },
      ),
    );
  });
});

describe('the scan of a server’s message', () => {
  const conversation = 'a!b' as ConversationId;
  const entryOf = (body: string, seq: number, type: 'text' | 'control' = 'text'): WireEntry =>
    new WireEntry(
      generation(1),
      sequenceId(seq),
      encodeEntry({
        msgNo: seq,
        at: 1_700_000_000_000,
        sentAt: 1,
        type,
        n: seq,
        deviceTag: 7,
        countable: true,
        from: 'a' as UserId,
        body,
      }),
    );

  it.each([
    ['binary', scanServerMessage],
    ['json', scanJsonMessage],
  ] as const)(
    'finds in %s every ack and the body of every message among all that the protocol’s own encoder joins',
    (encoding, scan) => {
      const bodies = ['first body', 'other body', 'third body', 'a live one'];
      const encoded = encodeServerFrames(
        [
          { t: 'pong', id: 9, serverTime: 1 },
          {
            t: 'ack',
            id: 300,
            conversation,
            n: 300,
            gen: generation(1),
            seq: sequenceId(5),
            msgNo: 4,
            at: 1_700_000_000_000,
            level: 'memory',
            duplicate: false,
          },
          {
            t: 'push',
            gen: generation(1),
            prev: sequenceId(1_000),
            seq: sequenceId(1_003),
            items: [
              { conversation, messages: [entryOf(bodies[0] ?? '', 1), entryOf(bodies[1] ?? '', 2)] },
              { conversation, read: { readSeq: sequenceId(500), readMsgNo: 400, own: 3 } },
              { conversation, messages: [entryOf(bodies[2] ?? '', 3)] },
            ],
          },
          {
            t: 'live',
            conversation,
            gen: generation(1),
            prev: sequenceId(3),
            seq: sequenceId(6),
            messages: [entryOf(bodies[3] ?? '', 4), entryOf('{"control":"joined","users":["b"]}', 5, 'control')],
          },
          { t: 'resync', reason: 'slow' },
        ],
        encoding,
      );
      const bytes = typeof encoded === 'string' ? Buffer.from(encoded) : encoded;
      const acks: number[] = [];
      const seen: string[] = [];
      const texts: string[] = [];
      const controls: boolean[] = [];
      scan(bytes, {
        acked: (id) => acks.push(id),
        entry: (message, end) => seen.push(Buffer.from(message.subarray(end - 10, end)).toString()),
        control: (message, from, end) => controls.push(Buffer.from(message.subarray(from, end)).includes('joined')),
        json: (_id, payload) => texts.push((JSON.parse(Buffer.from(payload).toString()) as { t: string }).t),
      });
      expect(acks).toEqual([300]);
      expect(seen).toEqual(bodies);
      expect(controls).toContain(true);
      expect(texts).toEqual(['pong', 'resync']);
    },
  );
});

describe('a shape', () => {
  it('of pairs lets each user write to the other one, on both targets alike', () => {
    const plan = planOf(directShape(1), 'r', { kind: 'millrace', websockets: [''], secret: '', diffusion: 'write' });
    expect(plan.users).toHaveLength(500);
    expect(plan.streams).toHaveLength(500);
    expect(new Set(plan.streams.map(({ conversation }) => conversation)).size).toBe(250);
    for (const { sender, peer, conversation } of plan.streams) {
      expect(plan.streams[peer ?? -1]?.peer).toBe(sender);
      expect(conversation.split('!')).toContain(plan.users[peer ?? -1]);
    }
  });

  it('of many sockets lets each have one message under way', () => {
    const plan = planOf(oneEachShape(1), 'r', { kind: 'relay', websockets: [''], secret: '', diffusion: 'write' });
    expect([plan.users.length, plan.streams.length, plan.window]).toEqual([2_000, 2_000, 1]);
  });

  it('of a group expects a delivery for everyone but the device that sent, which has the ack', () => {
    const [hundred] = groupShapes(1);
    if (hundred === undefined) throw new Error('there is a group of 100');
    const on = (kind: 'millrace' | 'relay', diffusion: 'write' | 'read') =>
      planOf(hundred, 'r', { kind, websockets: [''], secret: '', diffusion });
    expect(on('millrace', 'write').streams[0]?.deliveries).toBe(99);
    expect(on('relay', 'write').streams[0]?.deliveries).toBe(100);
    // What is published reaches everyone who shows the group.
    expect(on('millrace', 'read').streams[0]?.deliveries).toBe(100);
    expect(on('millrace', 'read').shows).toEqual({ conversation: 'bench-r', isRead: true });
  });
});

describe('what is read back', () => {
  const message = (seq: number, from: string, n: number) => ({
    gen: generation(1),
    seq: sequenceId(seq),
    msgNo: seq,
    countable: n > 0,
    from: from as UserId,
    deviceTag: 1,
    n,
    sentAt: 0,
    at: 0,
    type: 'text' as const,
    body: '',
  });
  const count = (messages: readonly (readonly [number, string, number])[], head: number) => {
    const check = new StoredCheck();
    for (const [seq, from, n] of messages) check.shown(message(seq, from, n));
    return check.ended(head);
  };

  it.each([
    [
      'is whole',
      [
        [1, 'a', 0],
        [2, 'a', 1],
        [3, 'b', 1],
        [4, 'a', 2],
      ],
      4,
      { stored: 3, duplicated: 0, gaps: 0 },
    ],
    [
      'has a hole (I3)',
      [
        [1, 'a', 0],
        [2, 'a', 1],
        [4, 'b', 1],
      ],
      4,
      { stored: 2, duplicated: 0, gaps: 1 },
    ],
    [
      'ends early',
      [
        [1, 'a', 0],
        [2, 'a', 1],
      ],
      4,
      { stored: 1, duplicated: 0, gaps: 2 },
    ],
    [
      'has a message twice (I4)',
      [
        [1, 'a', 0],
        [2, 'a', 1],
        [3, 'a', 1],
      ],
      3,
      { stored: 1, duplicated: 1, gaps: 0 },
    ],
    [
      'lacks a number of an author',
      [
        [1, 'a', 0],
        [2, 'a', 1],
        [3, 'a', 3],
      ],
      3,
      { stored: 2, duplicated: 0, gaps: 1 },
    ],
    [
      'shows an entry twice',
      [
        [1, 'a', 0],
        [2, 'a', 1],
        [2, 'a', 1],
      ],
      2,
      { stored: 1, duplicated: 1, gaps: 0 },
    ],
  ] as const)('%s', (_what, messages, head, expected) => {
    expect(count(messages, head)).toMatchObject(expected);
  });
});

describe('the bench’s options', () => {
  it('have the defaults of the fixed form', () => {
    expect(parseBenchOptions(['direct'])).toMatchObject({
      ok: true,
      value: { workload: 'direct', rounds: 5, seconds: 10, json: null, url: null, ackLevel: 'memory', engine: 'auto' },
    });
  });

  it.each([
    [[], /Name one workload: direct, group, .*ws-floor/],
    [['indirect'], /Name one workload/],
    [['direct', '--rounds', '0'], /--rounds must be a number above 0/],
    [['direct', '--rounds', '1.5'], /whole number/],
    [['direct', '--ack', 'paper'], /--ack must be memory, disk, replicated, got "paper"/],
    [['direct', '--engine', 'steam'], /--engine must be auto, uws or ws/],
    [['direct', '--encoding', 'xml'], /--encoding must be binary or json, got "xml"/],
    [['direct', '--scale', '2'], /--scale must be a number above 0 and up to 1/],
    [['direct', '--speed', '2'], /--speed/],
  ])('%j are refused', (argv, reason) => {
    const options = parseBenchOptions(argv);
    expect(options.ok ? '' : options.error).toMatch(reason);
  });
});
