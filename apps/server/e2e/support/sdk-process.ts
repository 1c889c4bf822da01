import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { build } from 'esbuild';

/** Builds the sending program, SDK included, into one file that plain Node runs. @returns its path. */
export async function buildSender(directory: string): Promise<string> {
  const outfile = join(directory, 'sdk-sender.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'sdk-sender.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    // `ws` is CommonJS and asks for Node's modules by `require`, and for two optional ones that are not here.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    external: ['bufferutil', 'utf-8-validate'],
    outfile,
  });
  return outfile;
}

export interface SenderArguments {
  readonly url: string;
  readonly token: string;
  readonly file: string;
  readonly conversation: string;
  readonly round: number;
  readonly count: number;
}

export interface Acked {
  readonly body: string;
  readonly gen: number;
  readonly seq: number;
}

/** A process that sends by the SDK until it is done or killed. */
export class SenderProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #output = '';

  constructor(script: string, { url, token, file, conversation, round, count }: SenderArguments) {
    const args = [script, url, token, file, conversation, String(round), String(count)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    this.#ended = once(child, 'close');
    child.stdout.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
  }

  /** Whole lines only: the last one may be torn. */
  get #lines(): readonly string[] {
    return this.#output.split('\n').slice(0, -1);
  }

  get acked(): readonly Acked[] {
    return this.#lines.flatMap((line) => {
      const [what, body = '', gen, seq] = line.split(' ');
      return what === 'acked' ? [{ body, gen: Number(gen), seq: Number(seq) }] : [];
    });
  }

  get refused(): readonly string[] {
    return this.#lines.filter((line) => line.startsWith('refused '));
  }

  get isDone(): boolean {
    return this.#lines.includes('done');
  }

  async ended(): Promise<void> {
    await this.#ended;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
