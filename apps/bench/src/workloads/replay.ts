import { medianOf } from '../measure/median.ts';
import { runProgram } from '../processes/program.ts';
import type { Target } from '../processes/server-process.ts';
import type { BenchOptions } from '../options.ts';
import type { Findings, MeasureFindings } from '../report/findings.ts';
import { replayLines, type ReplayFigures } from '../report/replay.ts';
import type { BenchHost } from './bench-host.ts';
import { addChecked, nothingChecked, type Checked } from './checked.ts';
import { measureRedisFloor, type RedisFloor } from './redis-floor.ts';
import { verifiedLines } from './replay/replay-lines.ts';
import { brokenOff, corpusIn, sendCorpus, type Corpus } from './replay/send-corpus.ts';
import { withServers } from './targets.ts';
import { withDirectory } from './with-directory.ts';

const FAULTS_MAX = 20;

interface Measured {
  readonly figures: ReplayFigures;
  readonly checked: Checked;
  readonly faults: readonly string[];
}

/** Sends the corpus, and reads all of it back. */
async function replayOn(
  target: Target,
  corpus: Corpus,
  dir: string,
  host: BenchHost,
  say: (text: string) => void,
): Promise<Measured> {
  say('replay');
  const sent = await sendCorpus(target, corpus, dir, host);
  say('verify');
  const read = await runProgram({
    bundle: host.cliBundle,
    args: ['verify', ...sent.options],
    onNote: () => undefined,
    onStop: host.onStop,
  });
  const verified = verifiedLines(read.out);
  if (verified === null) throw brokenOff('millrace verify', read);
  const { lost, duplicated, gaps } = verified;
  const isWrong = read.code !== 0 || lost + duplicated + gaps > 0;
  // What verify finds wrong beside these three, such as a summary that does not agree, has no count of its own.
  if (isWrong && lost + duplicated + gaps === 0) throw brokenOff('millrace verify', read);

  const { messages, perSecond, cpuMicrosPerMessage } = sent;
  return {
    figures: {
      messages,
      conversations: verified.conversations,
      members: verified.members,
      replayedPerSecond: perSecond,
      readPerSecond: verified.entriesPerSecond,
      cpuMicrosPerMessage,
    },
    checked: {
      ...nothingChecked,
      sent: messages,
      acked: messages,
      stored: verified.messages,
      delivered: verified.entriesRead,
      // The ledger holds what was acknowledged, and was compared by verify; what it lacks it cannot tell.
      lost: lost + Math.max(0, messages - verified.messages - lost),
      duplicated,
      gaps,
    },
    faults: isWrong ? read.notes.slice(0, FAULTS_MAX) : [],
  };
}

/** A corpus through the whole system by the command line's own replay, and back as every member; beside XADDs alone. */
export const measureReplay: MeasureFindings = async (options, host): Promise<Findings> => {
  return await withDirectory(host, 'replay', (dir) => measureIn(dir, options, host));
};

async function measureIn(dir: string, options: BenchOptions, host: BenchHost): Promise<Findings> {
  const corpus = corpusIn(dir, options);
  const rounds: { readonly floor: RedisFloor; readonly millrace: ReplayFigures }[] = [];
  const faults = new Set<string>();
  let checked = nothingChecked;
  for (let round = 1; round <= options.rounds; round += 1) {
    const say = (text: string): void => {
      host.progress(`round ${String(round)} of ${String(options.rounds)}: ${text}`);
    };
    say('redis-floor');
    const { ackLevel, seconds } = options;
    const floor = await measureRedisFloor({ ackLevel, seconds, onStop: host.onStop });
    const measured = await withServers(host, options, (target) => replayOn(target, corpus, dir, host, say));
    rounds.push({ floor, millrace: measured.figures });
    checked = addChecked(checked, measured.checked);
    for (const fault of measured.faults) faults.add(fault);
  }
  const median = medianOf(rounds.map(({ millrace }) => millrace));
  const floor = medianOf(rounds.map((round) => round.floor));
  const { node, redis } = median.cpuMicrosPerMessage;
  const ratio = {
    throughput: median.replayedPerSecond / floor.xaddPerSecond,
    cpu:
      node === null || redis === null || floor.cpuMicrosPerXadd === null
        ? null
        : (node + redis) / floor.cpuMicrosPerXadd,
  };
  return {
    config: { corpus: corpus.what },
    rounds,
    median: {
      ackedPerSecond: median.replayedPerSecond,
      cpuMicrosPerMessage: median.cpuMicrosPerMessage,
      replay: median,
    },
    floor: { redis: floor },
    ratio,
    checked,
    faults: [...faults],
    lines: replayLines(median, floor, ratio),
    plots: [],
    notMeasured: [
      'A saturated server: up to 64 channels are replayed side by side, each with one message under way.',
      'Messages of one size: the floor adds 200 bytes, a corpus has the lengths that people write.',
      'Creating the groups and joining them apart from the messages: CPU time holds both.',
    ],
  };
}
