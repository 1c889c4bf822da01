import { err, type Result } from '@millrace/kernel';
import { askApi, type ApiFault, type ApiQuestion } from '../ask-api.ts';
import type { Terminal } from '../terminal.ts';
import { waitOrAbort } from '../wait.ts';

export interface Api {
  readonly url: string;
  readonly key: string;
  readonly terminal: Terminal;
}

const WAIT_MS_MIN = 200;
const WAIT_MS_MAX = 5_000;
/** A server may be away for minutes. */
export const ATTEMPTS_MAX = 60;

const passes = ({ kind, status }: ApiFault): boolean => kind === 'away' || status === 429 || status >= 500;

/** Asks until there is an answer that does not depend on the moment, a refusal among them; or the user interrupts. */
export async function askSteadily<Answer>(
  { url, key, terminal }: Api,
  question: Omit<ApiQuestion<Answer>, 'url' | 'key'>,
): Promise<Result<Answer, ApiFault>> {
  const { interrupted } = terminal;
  for (let attempt = 1; ; attempt += 1) {
    const answer = await askApi({ url, key, ...question }, interrupted);
    if (interrupted.aborted) return err({ kind: 'away', status: 0, message: 'It was interrupted.' });
    if (answer.ok || !passes(answer.error) || attempt === ATTEMPTS_MAX) return answer;
    await waitBefore({ terminal }, attempt, answer.error.message);
  }
}

/** Waits before the next attempt, longer each time, and tells why now and then. */
export async function waitBefore({ terminal }: Pick<Api, 'terminal'>, attempt: number, why: string): Promise<void> {
  if (attempt % 5 === 2) terminal.note(`${why} (trying again)`);
  await waitOrAbort(Math.min(WAIT_MS_MAX, WAIT_MS_MIN * 2 ** Math.min(attempt, 10)), terminal.interrupted);
}
