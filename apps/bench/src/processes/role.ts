import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CrowdLoad } from '../load/crowd-load.ts';
import { LoadGenerator } from '../load/load-generator.ts';
import type { LoadCommand } from '../load/load-plan.ts';
import { LoginsLoad } from '../load/logins-load.ts';
import { StormLoad } from '../load/storm-load.ts';
import type { EngineChoice } from '../options.ts';
import { CommitLoad } from './commit-load.ts';
import { startRelay } from './relay.ts';
import { XrangeFloor } from './xrange-floor.ts';

/** What a process that the bench started says to it. */
export type RoleMessage =
  | { readonly event: 'ready'; readonly value?: unknown }
  | { readonly event: 'edge'; readonly edge: 'begin' | 'end' }
  | { readonly event: 'result'; readonly value: unknown }
  | { readonly event: 'failed'; readonly message: string };

export type Role = 'load' | 'relay' | 'crowd' | 'logins' | 'storm' | 'xrange' | 'commits';
/** What is measured beside Millrace is a program of its own. */
export type ProcessName = Role | 'peer';

const say = (message: RoleMessage): void => {
  process.send?.(message);
};

function failed(error: unknown): void {
  say({ event: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}

function serveLoad(): void {
  let generator: LoadGenerator | null = null;
  const carryOut = async (command: LoadCommand): Promise<void> => {
    if (command.op === 'open') {
      generator = new LoadGenerator(command.plan);
      await generator.open();
      say({ event: 'result', value: null });
    } else if (command.op === 'enough') {
      generator?.enough();
    } else if (command.op === 'show') {
      await generator?.show(command.isShown);
      say({ event: 'result', value: null });
    } else if (command.op === 'alive') {
      say({ event: 'result', value: await generator?.alive() });
    } else if (command.op === 'lobbies') {
      say({ event: 'result', value: await generator?.lobbies(command.step) });
    } else if (command.op === 'heard') {
      say({ event: 'result', value: generator?.heard() });
    } else if (generator !== null) {
      const value = await generator.run(command.run, (edge) => {
        say({ event: 'edge', edge });
      });
      say({ event: 'result', value });
    }
  };
  process.on('message', (command: LoadCommand) => {
    carryOut(command).catch(failed);
  });
  say({ event: 'ready' });
}

type Edge = 'begin' | 'end';

/** Carries out one command after the other, and says what each came to. */
function serve(carryOut: (command: never, onEdge: (edge: Edge) => void) => Promise<unknown>): void {
  process.on('message', (command: unknown) => {
    const onEdge = (edge: Edge): void => {
      say({ event: 'edge', edge });
    };
    carryOut(command as never, onEdge).then((value) => {
      say({ event: 'result', value });
    }, failed);
  });
  say({ event: 'ready' });
}

/** Runs this program as one of the bench's other processes, until the bench disconnects. */
export function runRole(role: Role, args: readonly string[]): void {
  process.on('disconnect', () => {
    process.exit(0);
  });
  // An interrupt from the terminal reaches the whole group; the bench ends its processes itself.
  process.on('SIGINT', () => undefined);
  if (role === 'relay') {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    // The only thing that one is asked: what is left when nothing waits to be collected, or garbage would be its connections.
    process.on('message', () => {
      collectGarbage();
      const { heapUsed, external } = process.memoryUsage();
      say({ event: 'result', value: heapUsed + external });
    });
    startRelay(args[0] as EngineChoice).then((relay) => {
      say({ event: 'ready', value: relay });
    }, failed);
    return;
  }
  if (role === 'load') {
    serveLoad();
    return;
  }
  const worker = {
    crowd: () => new CrowdLoad(),
    logins: () => new LoginsLoad(),
    storm: () => new StormLoad(),
    xrange: () => new XrangeFloor(),
    commits: () => new CommitLoad(),
  }[role]();
  serve((command, onEdge) => worker.carryOut(command, onEdge));
}
