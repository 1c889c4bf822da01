import type { BenchOptions } from '../options.ts';
import { sidesReport, type SidesReport } from '../report/bench-report.ts';
import type { Findings, MeasureFindings } from '../report/findings.ts';
import { sidesPlots } from '../report/html-report.ts';
import { peerLines, type PeerReport } from '../report/peers.ts';
import { sidesLines } from '../report/text-table.ts';
import type { BenchHost } from './bench-host.ts';
import { addChecked, nothingChecked, type Checked } from './checked.ts';
import { measureShape, runOnMillrace } from './millrace-run.ts';
import type { MeasuredPart } from './part-result.ts';
import { chosenPeers, type Peer } from './peers/peer.ts';
import { versionsOf, withPeer } from './peers/with-peer.ts';
import { runName } from './run-name.ts';
import type { ShapeRun } from './run-shape.ts';
import { refuseLazyFloor, type SideRun } from './run-workload.ts';
import { PAYLOAD_BYTES, peerShapes, type Shape } from './shape.ts';
import { withRelay } from './targets.ts';

const FAULTS_MAX = 50;

/** What one side did over all rounds. */
interface Side {
  readonly rounds: SideRun[];
  checked: Checked;
}

const newSide = (): Side => ({ rounds: [], checked: nothingChecked });

/** The same load, payload and shapes into Millrace and into what others run in its place, in turns. */
class Peers {
  readonly #options: BenchOptions;
  readonly #host: BenchHost;
  readonly #shapes: readonly Shape[];
  readonly #faults = new Set<string>();
  #engine = '';

  constructor(options: BenchOptions, host: BenchHost) {
    this.#options = options;
    this.#host = host;
    this.#shapes = peerShapes(options.scale);
  }

  async run(): Promise<Findings> {
    const { rounds, only } = this.#options;
    const chosen = chosenPeers(only);
    const versions = chosen.map((peer) => versionsOf(peer, this.#host.peersDir));
    const [floor, millrace, others] = [newSide(), newSide(), chosen.map(newSide)];
    for (let round = 1; round <= rounds; round += 1) {
      const sayOf =
        (name: string) =>
        (text: string): void => {
          this.#host.progress(`round ${String(round)} of ${String(rounds)}: ${name}, ${text}`);
        };
      await this.#side(floor, 'floor', (shape, onPart) => this.#floor(shape, onPart), sayOf('floor'));
      const onMillrace = (shape: Shape, onPart: (name: string) => void): Promise<ShapeRun> =>
        runOnMillrace(this.#host, this.#options, shape, onPart);
      await this.#side(millrace, 'millrace', onMillrace, sayOf('millrace'));
      for (const [index, peer] of chosen.entries()) {
        const side = others[index];
        if (side === undefined) continue;
        const onPeer = (shape: Shape, onPart: (name: string) => void): Promise<ShapeRun> =>
          this.#peer(peer, shape, onPart);
        await this.#side(side, peer.name, onPeer, sayOf(peer.name));
      }
    }
    const reports = chosen.map((peer, index): PeerReport => {
      const side = others[index] ?? newSide();
      return { ...peer, versions: versions[index] ?? {}, ...besideMillrace(millrace, side), checked: side.checked };
    });
    return this.#findings(floor, millrace, reports);
  }

  async #side(
    side: Side,
    name: string,
    measure: (shape: Shape, onPart: (name: string) => void) => Promise<ShapeRun>,
    say: (text: string) => void,
  ): Promise<void> {
    const parts: Record<string, MeasuredPart> = {};
    let bytesPerConnection: number | null = null;
    for (const shape of this.#shapes) {
      const run = await measure(shape, (part) => {
        say(`${shape.name} ${part}`);
      });
      for (const [part, measured] of Object.entries(run.parts)) parts[`${shape.name} ${part}`] = measured;
      bytesPerConnection ??= run.bytesPerConnection;
      side.checked = addChecked(side.checked, run.counts);
      for (const fault of run.faults) if (this.#faults.size < FAULTS_MAX) this.#faults.add(`${name}: ${fault}`);
    }
    side.rounds.push({ parts, bytesPerConnection });
  }

  #floor(shape: Shape, onPart: (name: string) => void): Promise<ShapeRun> {
    return withRelay(this.#host, this.#options, async (target, engine) => {
      this.#engine = engine;
      const run = await measureShape(this.#host, this.#options, shape, runName(), target, onPart);
      refuseLazyFloor(shape, run);
      return run;
    });
  }

  /** What it does not deliver is its own, and is told: no fault of Millrace. */
  #peer(peer: Peer, shape: Shape, onPart: (name: string) => void): Promise<ShapeRun> {
    return withPeer(this.#host, peer, async (target) => {
      const run = await measureShape(this.#host, this.#options, shape, runName(), target, onPart);
      const each = shape.kind === 'direct' ? 1 : shape.users;
      const lost = Math.max(0, run.counts.acked * each - run.counts.delivered);
      return { ...run, counts: { ...run.counts, lost } };
    });
  }

  #findings(floor: Side, millrace: Side, reports: readonly PeerReport[]): Findings {
    const rounds = millrace.rounds.map((side, index) => ({
      floor: floor.rounds[index] ?? null,
      millrace: side,
      redisFloor: null,
    }));
    const sides = sidesReport(rounds, false);
    const { ackLevel } = this.#options;
    return {
      config: { payloadBytes: PAYLOAD_BYTES, engine: this.#engine, ackLevel },
      rounds: sides.rounds.map((round, index) => ({
        ...round,
        peers: Object.fromEntries(reports.map(({ name, rounds: own }) => [name, own[index]?.['floor'] ?? null])),
      })),
      median: {
        ...sides.median,
        peers: Object.fromEntries(reports.map(({ rounds: _, ...peer }) => [peer.name, peer])),
      },
      floor: sides.floor,
      ratio: {
        ...sides.ratio,
        peers: Object.fromEntries(reports.map(({ name, ratio }) => [name, ratio])),
      },
      checked: millrace.checked,
      faults: [...this.#faults],
      lines: [...sidesLines(sides, false), ...peerLines(reports)],
      plots: sidesPlots(sides, { rounds }),
      notMeasured: [
        'What the peers do not do, which is told beside each: their figures are of less work for each message.',
        'Peers on several nodes, behind balancers, or tuned by those who know them: each is set up as its documentation has it.',
        'Peers over the socket engine of Millrace: they run on ws, and say so.',
      ],
    };
  }
}

/** A peer in the place of the floor: `ratio` is of Millrace to it. */
function besideMillrace(
  millrace: Side,
  peer: Side,
): Pick<SidesReport, 'rounds' | 'ratio'> & Pick<PeerReport, 'parts' | 'bytesPerConnection'> {
  const pairs = peer.rounds.map((floor, index) => ({
    floor,
    millrace: millrace.rounds[index] ?? null,
    redisFloor: null,
  }));
  const { rounds, floor, ratio } = sidesReport(pairs, false);
  return { rounds, ratio, parts: floor.parts, bytesPerConnection: floor.bytesPerConnection ?? null };
}

export const measurePeers: MeasureFindings = (options, host) => new Peers(options, host).run();
