import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock, type ConversationId, type UserId } from '@millrace/kernel';
import type { LobbiesHeard, LobbyStep } from '../load/lobbies-plan.ts';
import type { LoadCommand, LoadPlan } from '../load/load-plan.ts';
import { medianOf } from '../measure/median.ts';
import { residentBytesOf, sumOver } from '../measure/proc-stat.ts';
import type { BenchOptions } from '../options.ts';
import type { RoleProcess } from '../processes/role-process.ts';
import type { Target } from '../processes/server-process.ts';
import { sidesReport } from '../report/bench-report.ts';
import type { Findings } from '../report/findings.ts';
import { sidesPlots } from '../report/html-report.ts';
import { lobbiesLines, type LobbiesFigures } from '../report/lobbies.ts';
import { sidesLines } from '../report/text-table.ts';
import type { BenchHost } from './bench-host.ts';
import { addChecked, nothingChecked, type Checked } from './checked.ts';
import { checkKept } from './lobby-kept.ts';
import { lobbyPlan, lobbyShape, type LobbyShape } from './lobby-shape.ts';
import type { MeasuredPart } from './part-result.ts';
import { runPart, type MeasuredTarget, type Timing } from './run-shape.ts';
import { runName } from './run-name.ts';
import type { Round, SideRun } from './run-workload.ts';
import { PAYLOAD_BYTES } from './shape.ts';
import { measuredOf, withLoad, withRelay, withServers } from './targets.ts';
import { inParallel, UserSessions } from './user-sessions.ts';

const FAULTS_MAX = 50;
/** In which a server may give back what the lobbies took. */
const REST_MS = 3_000;
const FORGOTTEN_MS_MAX = 30_000;
const POLL_MS = 50;

type Say = (text: string) => void;

interface MillraceRun {
  readonly side: SideRun;
  readonly lobbies: LobbiesFigures;
}

/** Lobbies that live on the server. */
async function lobbiesOn({ url }: Target): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^millrace_lobbies(?:\{[^}]*\})? (\d+)/m.exec(metrics)?.[1] ?? 0);
}

const perMinute = (count: number, seconds: number): number => (count / Math.max(seconds, 0.001)) * 60;

/** Many lobbies at a time, beside a relay that publishes to the same sockets. */
class Lobbies {
  readonly #options: BenchOptions;
  readonly #host: BenchHost;
  readonly #shape: LobbyShape;
  readonly #timing: Timing;
  readonly #faults = new Set<string>();
  #checked = nothingChecked;
  #engine = '';

  constructor(options: BenchOptions, host: BenchHost) {
    this.#options = options;
    this.#host = host;
    this.#shape = lobbyShape(options.scale, options.members);
    this.#timing = { warmupMs: options.warmupSeconds * 1_000, measureMs: options.seconds * 1_000 };
  }

  async run(): Promise<Findings> {
    const rounds: Round[] = [];
    const figures: LobbiesFigures[] = [];
    for (let round = 1; round <= this.#options.rounds; round += 1) {
      const say = (text: string): void => {
        this.#host.progress(`round ${String(round)} of ${String(this.#options.rounds)}: ${text}`);
      };
      const floor = await this.#floor(say);
      const { side: millrace, lobbies } = await this.#millrace(say);
      rounds.push({ floor, millrace, redisFloor: null });
      figures.push(lobbies);
    }
    return this.#findings(rounds, figures);
  }

  #fault(text: string): void {
    if (this.#faults.size < FAULTS_MAX) this.#faults.add(text);
  }

  #floor(say: Say): Promise<SideRun> {
    return withRelay(this.#host, this.#options, (target, engine) => {
      this.#engine = engine;
      return withLoad(this.#host, async (load) => {
        say('floor, set-up');
        await load.ask({ op: 'open', plan: lobbyPlan(this.#shape, runName(), target) } satisfies LoadCommand);
        const { parts, counts } = await this.#parts('floor', target, load, say);
        const { lost, duplicated, gaps } = addChecked(counts, (await this.#heard(load)).counts);
        // A floor that did less than it says would flatter what is compared with it.
        if (lost + duplicated + gaps > 0) {
          throw new Error(`the floor did not pass on ${String(lost)} messages: ${[...this.#faults].join('; ')}`);
        }
        return { parts, bytesPerConnection: null };
      });
    });
  }

  async #parts(
    side: 'floor' | 'millrace',
    target: MeasuredTarget,
    load: RoleProcess,
    say: Say,
  ): Promise<{ readonly parts: Record<string, MeasuredPart>; readonly counts: Checked }> {
    const parts: Record<string, MeasuredPart> = {};
    let counts = nothingChecked;
    for (const part of this.#shape.parts) {
      say(`${side}, ${part.name}`);
      const measured = await runPart(part, target, load, this.#timing);
      parts[part.name] = measured.part;
      counts = addChecked(counts, measured.counts);
      for (const fault of measured.faults) this.#fault(`${side}: ${fault}`);
    }
    return { parts, counts };
  }

  /** What did not come to a member, or came to somebody else, over everything that was sent. */
  async #heard(load: RoleProcess): Promise<{ readonly counts: Checked; readonly sent: readonly number[] }> {
    const { sent, lost, strange } = (await load.ask({ op: 'heard' } satisfies LoadCommand)) as LobbiesHeard;
    if (lost > 0) this.#fault(`${String(lost)} messages did not come to a member`);
    if (strange > 0) this.#fault(`${String(strange)} messages came to users who are not in the lobby`);
    return { counts: { ...nothingChecked, lost, duplicated: strange }, sent };
  }

  #millrace(say: Say): Promise<MillraceRun> {
    return withServers(this.#host, this.#options, (target) =>
      withLoad(this.#host, (load) => this.#measure(target, load, say)),
    );
  }

  async #measure(target: Target, load: RoleProcess, say: Say): Promise<MillraceRun> {
    const { lobbies, members } = this.#shape;
    const resident = (): number | null => sumOver(target.serverPids, residentBytesOf);
    const step = async (one: LobbyStep): Promise<number> =>
      (await load.ask({ op: 'lobbies', step: one } satisfies LoadCommand)) as number;
    const on = measuredOf(target, 'read');
    const plan = lobbyPlan(this.#shape, runName(), on);
    say('millrace, set-up');
    await load.ask({ op: 'open', plan } satisfies LoadCommand);
    const others = await lobbiesOn(target);
    const before = resident();
    say(`millrace, ${String(lobbies)} lobbies are created, and joined`);
    const createSeconds = await step('create');
    const joinSeconds = await step('join');
    const standSeconds = await step('stand');
    const full = resident();
    const { parts, counts } = await this.#parts('millrace', on, load, say);
    const loaded = resident();
    say('millrace, check');
    this.#checked = addChecked(this.#checked, await this.#check(target, plan, load, counts));
    say('millrace, all are dropped');
    const dropSeconds = (await step('dissolve')) + (await step('end'));
    await this.#forgotten(target, others);
    await sleep(REST_MS);
    return {
      side: { parts, bytesPerConnection: null },
      lobbies: {
        createdPerMinute: perMinute(lobbies, createSeconds),
        joinedPerMinute: perMinute(lobbies * (members - 1), joinSeconds),
        standSeconds,
        droppedPerMinute: perMinute(lobbies, dropSeconds),
        residentBytes: { before, full, loaded, after: resident() },
      },
    };
  }

  /** Every message at every member, and every lobby as it is kept. */
  async #check(target: Target, plan: LoadPlan, load: RoleProcess, counts: Checked): Promise<Checked> {
    const heard = await this.#heard(load);
    let checked = addChecked(counts, heard.counts);
    const sessions = new UserSessions(target);
    const { backlog } = this.#shape;
    await inParallel([...plan.streams.entries()], async ([lobby, { sender, conversation }]) => {
      const ask = { t: 'history', conversation: conversation as ConversationId, direction: 'backward' } as const;
      const user = plan.users[sender] as UserId;
      const { messages, head } = await sessions.as(user, (as) => as({ ...ask, limit: backlog }));
      const kept = checkKept(messages, head.seq, backlog, heard.sent[lobby] ?? 0);
      checked = addChecked(checked, { ...nothingChecked, ...kept });
      if (kept.lost + kept.duplicated + kept.gaps > 0) this.#fault(`${conversation} keeps ${JSON.stringify(kept)}`);
    });
    return checked;
  }

  async #forgotten(target: Target, others: number): Promise<void> {
    const untilMs = systemClock.monotonicMs() + FORGOTTEN_MS_MAX;
    while ((await lobbiesOn(target)) > others) {
      if (systemClock.monotonicMs() > untilMs) throw new Error('lobbies live on that were dissolved');
      await sleep(POLL_MS);
    }
  }

  #findings(rounds: readonly Round[], figures: readonly LobbiesFigures[]): Findings {
    const { lobbies, members, sockets, lobbiesOfSocket, backlog, window } = this.#shape;
    const sides = sidesReport(rounds, false);
    const median = medianOf(figures);
    return {
      config: {
        payloadBytes: PAYLOAD_BYTES,
        lobbies,
        members,
        sockets,
        lobbiesOfSocket,
        backlog,
        writersOfLobby: 1,
        window,
        engine: this.#engine,
      },
      rounds: sides.rounds.map((round, index) => ({ ...round, lobbies: figures[index] ?? null })),
      median: { ...sides.median, lobbies: median },
      floor: sides.floor,
      ratio: sides.ratio,
      checked: this.#checked,
      faults: [...this.#faults],
      lines: [...sidesLines(sides, false), '', ...lobbiesLines(median, this.#shape)],
      plots: sidesPlots(sides, { rounds }),
      notMeasured: [
        'Every lobby at 20 messages a second: with 1,000 of 50 that would be 1,000,000 deliveries a second.',
        'Several writers in one lobby, and members who come and go while messages are measured.',
        'More than one server: whose lobbies live elsewhere than its sockets has a way more.',
        'Storing: nothing of a lobby is stored. Each is read back from what it keeps.',
      ],
    };
  }
}

export const measureLobbies = (options: BenchOptions, host: BenchHost): Promise<Findings> =>
  new Lobbies(options, host).run();
