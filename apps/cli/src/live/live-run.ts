import { setMaxListeners } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import type { Message } from '@millrace/protocol';
import { describeSessionError } from '@millrace/raw-client';
import type { TokenSource } from '../token-source.ts';
import { waitOrAbort } from '../wait.ts';
import { AckLog } from './ack-log.ts';
import { DeviceLog } from './device-log.ts';
import { Findings } from './findings.ts';
import { LiveDevice } from './live-device.ts';
import { LiveReader, Seat } from './live-nodes.ts';
import type { LiveProgress, LiveResult, SenderPause } from './live-report.ts';
import { LiveSender } from './live-sender.ts';
import { plan, type LiveShape, type PlannedConversation } from './live-shape.ts';
import { LiveTexts } from './live-text.ts';
import { PauseBook } from './pause-book.ts';
import { PauseWatch } from './pause-watch.ts';
import { PositionBook } from './position-book.ts';
import { SendQueue } from './send-queue.ts';
import { checkStored, gensOf, type LostMessage, type StoredConversation } from './stored-check.ts';

export interface LiveRunOptions {
  /** Names users and conversations; no other run has it. */
  readonly run: string;
  /** Socket addresses of the nodes. */
  readonly addresses: readonly string[];
  readonly tokenOf: TokenSource;
  readonly shape: LiveShape;
  /** Messages a second, of all senders together; null: as many as the senders' windows let through. */
  readonly rate: number | null;
  /** Unanswered sends of each sender. */
  readonly window: number;
  readonly bytes: number;
  /** Ends publishing when it is aborted; then everything is checked. */
  readonly publishing: AbortSignal;
  /** How long, after publishing, the last acks may take; then the reading, while no node answers; then the devices. */
  readonly settleMsMax: number;
  readonly onStarted: () => void;
  readonly onProgress: (progress: LiveProgress) => void;
}

const TICK_MS = 5;
const PROGRESS_MS = 1_000;
const POLL_MS = 50;
const TAIL_MS = 250;
const TAIL_PAGE = 1_000;
/** Pauses that are told one by one. */
const PAUSE_MS_TOLD = 20;
/** So long the senders may take to connect before there is something to send. */
const CONNECT_MS_MAX = 10_000;
const LOST_TOLD_MAX = 10_000;

interface Conversation extends PlannedConversation {
  readonly book: PositionBook;
  readonly acks: AckLog[];
}

interface Sender {
  readonly name: string;
  readonly queue: SendQueue;
  readonly sender: LiveSender;
  readonly watch: PauseWatch;
  running: Promise<void>;
}

/** Senders and devices over a running cluster, and everything that they are told held against each other. */
export class LiveRun {
  readonly #options: LiveRunOptions;
  readonly #findings = new Findings();
  readonly #texts: LiveTexts;
  readonly #conversations: readonly Conversation[];
  readonly #devices: readonly LiveDevice[];
  readonly #senders: readonly Sender[];
  readonly #overall = new PauseWatch();
  readonly #refused = new Map<string, number>();
  readonly #levels = new Set<string>();
  readonly #pauses = new PauseBook();
  readonly #ownDelay = monitorEventLoopDelay({ resolution: 10 });
  /** Wall time at the zero of the monotonic clock. */
  readonly #epochMs = Date.now() - performance.now();
  #waiting = 0;
  #acked = 0;
  #delivered = 0;
  #connections = 0;
  #heldBack = 0;
  #seats = 0;
  #nextWriter = 0;

  constructor(options: LiveRunOptions) {
    this.#options = options;
    const { run, shape } = options;
    this.#texts = new LiveTexts(run, options.bytes);
    this.#conversations = plan(run, shape).map((planned) => ({
      ...planned,
      book: new PositionBook(planned.conversation, this.#findings),
      acks: [],
    }));
    const users = [...new Set(this.#conversations.flatMap(({ members }) => members))];
    this.#devices = users.flatMap((user) =>
      Array.from({ length: shape.devices }, (_, index) => this.#deviceOf(user, index)),
    );
    this.#senders = this.#conversations.flatMap((conversation) =>
      conversation.senders.map((planned) => this.#senderOf(conversation, planned)),
    );
  }

  async run(): Promise<LiveResult> {
    let stoppedBy: string | null = null;
    try {
      await this.#open();
    } catch (error) {
      stoppedBy = `the devices cannot begin: ${error instanceof Error ? error.message : String(error)}`;
    }
    for (const sender of this.#senders) sender.running = sender.sender.run();
    const connected = Promise.all(this.#senders.map(({ sender }) => sender.connected));
    await Promise.race([connected, sleep(CONNECT_MS_MAX, undefined, { ref: false })]);
    this.#ownDelay.enable();
    const startedMs = performance.now();
    let secondsPublished = 0;
    let stored: readonly StoredConversation[] = [];
    let completeMs = startedMs;
    const ending = new AbortController();
    // One for each conversation, and the reports.
    setMaxListeners(this.#conversations.length + 1, ending.signal);
    if (stoppedBy === null) {
      this.#options.onStarted();
      const tails = this.#conversations.map((conversation) => this.#tail(conversation, ending.signal));
      const reports = this.#report(startedMs, ending.signal);
      await this.#publish();
      secondsPublished = (performance.now() - startedMs) / 1000;
      await this.#finish();
      ending.abort();
      await Promise.all([...tails, reports]);
      const read = await this.#read();
      if (typeof read === 'string') stoppedBy = read;
      else stored = read;
      await this.#devicesComplete(stored);
      completeMs = performance.now();
    }
    for (const { sender } of this.#senders) sender.giveUp();
    const result = this.#judge(stored, { startedMs, secondsPublished, completeMs, stoppedBy });
    await Promise.all(this.#devices.map((device) => device.close()));
    return result;
  }

  #seat(): Seat {
    this.#seats += 1;
    return new Seat(this.#options.addresses, this.#seats);
  }

  #deviceOf(user: UserId, index: number): LiveDevice {
    const name = `${user}/device-${String(index)}`;
    const own = this.#conversations.filter(({ members }) => members.includes(user));
    return new LiveDevice({
      name,
      user,
      nextAddress: this.#seat().next,
      tokenOf: this.#options.tokenOf,
      logs: new Map(
        own.map(({ conversation }) => [conversation, new DeviceLog(conversation, name, this.#findings)] as const),
      ),
      onMessage: (conversation, message, by) => {
        this.#delivered += 1;
        this.#told(conversation, message, by);
      },
    });
  }

  #told(id: ConversationId, { gen, seq, body }: Message, by: string): void {
    const conversation = this.#conversations.find((one) => one.conversation === id);
    conversation?.book.told(gen, seq, this.#texts.valueOf(body), by);
  }

  #senderOf(conversation: Conversation, { name, user, device }: Conversation['senders'][number]): Sender {
    const { tokenOf, window, rate } = this.#options;
    const acks = new AckLog(conversation.conversation, name, conversation.book, this.#findings);
    conversation.acks.push(acks);
    const queue = new SendQueue({ window, waitingMax: rate === null ? window : 4 * window });
    const watch = new PauseWatch(PAUSE_MS_TOLD, (pause) => {
      const at = this.#wallTime(pause.fromMs);
      this.#pauses.add({ ms: pause.ms, at, sender: name, conversation: conversation.conversation });
    });
    let connections = 0;
    const sender = new LiveSender({
      user,
      device,
      conversation: conversation.conversation,
      queue,
      nextAddress: this.#seat().next,
      tokenOf,
      textOf: (number) => this.#texts.textOf(name, number),
      onAcked: ({ n, gen, seq, level }, number) => {
        const nowMs = performance.now();
        this.#acked += 1;
        this.#waiting -= 1;
        this.#levels.add(level);
        acks.add(number, n, gen, seq);
        watch.acked(nowMs, queue.size > 0);
        this.#overall.acked(nowMs, this.#waiting > 0);
      },
      onRefused: (code, isFinal) => {
        this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
        if (isFinal) this.#findings.add('refused', conversation.conversation, `${name}: ${code}`);
      },
      onConnection: () => {
        connections += 1;
        if (connections > 1) this.#connections += 1;
      },
    });
    return { name, queue, sender, watch, running: Promise.resolve() };
  }

  #wallTime(monotonicMs: number): string {
    return new Date(this.#epochMs + monotonicMs).toISOString();
  }

  async #open(): Promise<void> {
    await Promise.all(this.#devices.map(({ client }) => client.connect()));
    await Promise.all(
      this.#conversations.map(async ({ conversation, members }) => {
        const [creator, ...others] = members;
        const device = this.#devices.find(({ user }) => user === creator);
        await device?.client.create({ kind: 'group', conversation, members: others });
      }),
    );
  }

  /** Writes at the rate, the senders in turn, until it is told to stop. */
  async #publish(): Promise<void> {
    const { rate, publishing } = this.#options;
    const startedMs = performance.now();
    let due = 0;
    while (!publishing.aborted) {
      if (rate === null) {
        for (const sender of this.#senders) while (this.#write(sender));
      } else {
        const wanted = Math.floor(((performance.now() - startedMs) * rate) / 1000);
        for (; due < wanted; due += 1) this.#writeNext();
      }
      await waitOrAbort(TICK_MS, publishing);
    }
  }

  #writeNext(): void {
    const sender = this.#senders[this.#nextWriter % this.#senders.length];
    this.#nextWriter += 1;
    if (sender !== undefined && !this.#write(sender)) this.#heldBack += 1;
  }

  #write({ queue, sender, watch }: Sender): boolean {
    if (!queue.write()) return false;
    const nowMs = performance.now();
    this.#waiting += 1;
    watch.waits(nowMs);
    this.#overall.waits(nowMs);
    sender.pump();
    return true;
  }

  async #finish(): Promise<void> {
    for (const { sender } of this.#senders) sender.finish();
    const all = Promise.all(this.#senders.map(({ running }) => running));
    const inTime = await Promise.race([all.then(() => true), sleep(this.#options.settleMsMax, false, { ref: false })]);
    if (inTime) return;
    for (const { sender } of this.#senders) sender.giveUp();
    await all;
  }

  /** Reads a conversation on and on, as a device of its last member: what a page shows must fit what others were told. */
  async #tail({ conversation, members }: Conversation, ending: AbortSignal): Promise<void> {
    const device = this.#devices.find(({ user }) => user === members.at(-1));
    let last = { gen: 0, seq: 0 };
    while (!ending.aborted && device !== undefined) {
      await waitOrAbort(TAIL_MS, ending);
      try {
        const from = (last.seq + 1) as SequenceId;
        const page = await device.client.history(conversation, { direction: 'forward', from, limit: TAIL_PAGE });
        for (const message of page.messages) {
          this.#told(conversation, message, 'a reader');
          if (message.seq !== last.seq + 1) {
            const text = `a page shows seq ${String(message.seq)} behind ${String(last.seq)}`;
            this.#findings.add('gap', conversation, text);
          }
          last = message;
        }
        // What it had read may be lost, and others stand there: from the end of what is left.
        if (page.messages.length === 0 && page.head.seq < last.seq) last = page.head;
      } catch {
        // No node answers now; the next try is soon.
      }
    }
  }

  async #report(startedMs: number, ending: AbortSignal): Promise<void> {
    while (!ending.aborted) {
      await waitOrAbort(PROGRESS_MS, ending);
      this.#options.onProgress({
        event: 'progress',
        at: new Date().toISOString(),
        seconds: (performance.now() - startedMs) / 1000,
        written: this.#written,
        acked: this.#acked,
        unacknowledged: this.#waiting,
        delivered: this.#delivered,
        wrong: this.#findings.total,
      });
    }
  }

  get #written(): number {
    return this.#senders.reduce((sum, { queue }) => sum + queue.written, 0);
  }

  /** Every conversation as each of its members, one through one node, one through the next. */
  async #read(): Promise<readonly StoredConversation[] | string> {
    const valueOf = (body: string | Uint8Array): string => this.#texts.valueOf(body);
    const all: StoredConversation[] = [];
    for (const { conversation, members, book } of this.#conversations) {
      let first: StoredConversation | null = null;
      for (const member of members) {
        // Each has its own time: that reading much takes long is nobody's fault.
        const untilMs = performance.now() + this.#options.settleMsMax;
        const reader = new LiveReader(member, this.#seat(), this.#options.tokenOf, untilMs);
        const read = await reader.readWhole(conversation, valueOf);
        reader.close();
        if (!read.ok) return `${conversation} cannot be read as ${member}: ${describeSessionError(read.error)}`;
        for (const { gen, seq, value } of read.value.entries) book.told(gen, seq, value, `${member}, at the end,`);
        first ??= read.value;
        if (first.entries.length !== read.value.entries.length) {
          const [here, there] = [read.value.entries.length, first.entries.length].map(String);
          this.#findings.add('gap', conversation, `${member} reads ${String(here)} entries, others ${String(there)}`);
        }
      }
      if (first !== null) all.push(first);
    }
    return all;
  }

  async #devicesComplete(stored: readonly StoredConversation[]): Promise<void> {
    const deadlineMs = performance.now() + this.#options.settleMsMax;
    const wanted = new Map(stored.map(({ conversation, entries }) => [conversation, entries.length]));
    const isThere = ({ isPaging, logs }: LiveDevice): boolean =>
      !isPaging && [...logs].every(([conversation, { head }]) => head >= (wanted.get(conversation) ?? 0));
    while (!this.#devices.every(isThere) && performance.now() < deadlineMs) await sleep(POLL_MS);
  }

  #incomplete(stored: readonly StoredConversation[]): number {
    const incomplete = new Set<string>();
    for (const { conversation, entries } of stored) {
      const gens = gensOf(entries);
      for (const { name, logs } of this.#devices) {
        const log = logs.get(conversation);
        log?.ended();
        const seqs = log?.differsFrom(gens) ?? [];
        if (seqs.length === 0) continue;
        incomplete.add(name);
        const which = `${String(seqs[0])} to ${String(seqs.at(-1))}`;
        this.#findings.note(`incomplete, ${conversation}: ${name} differs at ${String(seqs.length)} seqs, ${which}`);
      }
    }
    return incomplete.size;
  }

  #judge(
    stored: readonly StoredConversation[],
    {
      startedMs,
      secondsPublished,
      completeMs,
      stoppedBy,
    }: { startedMs: number; secondsPublished: number; completeMs: number; stoppedBy: string | null },
  ): LiveResult {
    const nowMs = performance.now();
    const unacknowledged = this.#senders.reduce((sum, { queue }) => sum + queue.size, 0);
    for (const { watch } of this.#senders) watch.ended(nowMs);
    this.#overall.ended(nowMs);
    const lost: LostMessage[] = [];
    const generations: Record<string, readonly number[]> = {};
    for (const whole of stored) {
      const acks = this.#conversations.find(({ conversation }) => conversation === whole.conversation)?.acks ?? [];
      lost.push(
        ...checkStored(
          whole,
          acks.flatMap(({ acked }) => acked),
          this.#findings,
        ),
      );
      const gens = [...new Set(whole.entries.map(({ gen }) => gen))];
      if (gens.length > 1) generations[whole.conversation] = gens;
    }
    const incompleteDevices = this.#incomplete(stored);
    const { shape } = this.#options;
    return {
      event: 'result',
      ok:
        stoppedBy === null &&
        lost.length + this.#findings.total + incompleteDevices + unacknowledged === 0 &&
        this.#acked > 0,
      startedAt: this.#wallTime(startedMs),
      seconds: secondsPublished,
      users: shape.users,
      devices: this.#devices.length,
      conversations: this.#conversations.length,
      senders: this.#senders.length,
      levels: [...this.#levels],
      written: this.#written,
      acked: this.#acked,
      ackedPerSecond: this.#acked / Math.max(secondsPublished, 0.001),
      completePerSecond: this.#acked / Math.max((completeMs - startedMs) / 1000, 0.001),
      heldBack: this.#heldBack,
      unacknowledged,
      stored: stored.reduce((sum, { entries }) => sum + entries.length, 0),
      delivered: this.#delivered,
      lost: lost.length,
      lostTold: lost.filter(({ isTold }) => isTold).length,
      lostMessages: lost.slice(0, LOST_TOLD_MAX),
      violations: this.#findings.counts,
      incompleteDevices,
      generations,
      pause: this.#pauseOfSenders(),
      overallPause: { ms: this.#overall.longest.ms, at: this.#wallTime(this.#overall.longest.fromMs) },
      pauses: this.#pauses.pauses,
      reconnects: this.#connections,
      refused: Object.fromEntries(this.#refused),
      ownDelayMsMax: this.#ownDelay.max / 1e6,
      samples: this.#findings.samples,
      stoppedBy,
    };
  }

  #pauseOfSenders(): SenderPause | null {
    let longest: SenderPause | null = null;
    for (const { conversation, senders } of this.#conversations) {
      for (const { name } of senders) {
        const { ms, fromMs } = this.#senders.find((one) => one.name === name)?.watch.longest ?? { ms: 0, fromMs: 0 };
        if (ms > (longest?.ms ?? 0)) longest = { ms, at: this.#wallTime(fromMs), sender: name, conversation };
      }
    }
    return longest;
  }
}
