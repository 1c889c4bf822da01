import { parseDeviceId, parseUserId, systemClock, type DeviceId } from '@millrace/kernel';
import { signToken } from '@millrace/raw-client';
import { exitCode, type Args, type Command, type Context } from './command.ts';
import { findSecret, tokenOptions, TOKEN_SECONDS } from './token-source.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const SECONDS_MAX = 3_650 * 86_400;

/** `90s`, `15m`, `24h` or `7d` as seconds; null for anything else. */
export function parseDuration(text: string): number | null {
  const match = /^(\d+)([smhd])$/.exec(text);
  const seconds = Number(match?.[1]) * (UNITS[match?.[2] ?? ''] ?? Number.NaN);
  return seconds > 0 && seconds <= SECONDS_MAX ? seconds : null;
}

async function run(args: Args, { terminal, environment }: Context): Promise<number> {
  const misused = (text: string): number => {
    terminal.note(text);
    return exitCode.misused;
  };
  const [name, ...more] = args.words;
  if (name === undefined || more.length > 0) return misused('token needs one USER.');
  const user = parseUserId(name);
  if (!user.ok) return misused(user.error.message);
  const ttl = args.text('ttl');
  const seconds = ttl === undefined ? TOKEN_SECONDS : parseDuration(ttl);
  if (seconds === null) return misused(`--ttl must be a time such as 90s, 15m, 24h or 7d, got "${ttl ?? ''}".`);
  const deviceText = args.text('device');
  let device: DeviceId | undefined;
  if (deviceText !== undefined) {
    const parsed = parseDeviceId(deviceText);
    if (!parsed.ok) return misused(parsed.error.message);
    device = parsed.value;
  }
  const secret = findSecret(args, environment);
  if (!secret.ok) {
    terminal.note(secret.error);
    return exitCode.failed;
  }
  const issuedAtSeconds = Math.floor(systemClock.nowMs() / 1000);
  const claims = { user: user.value, issuedAtSeconds, seconds };
  terminal.out(signToken(secret.value, device === undefined ? claims : { ...claims, device }));
  return exitCode.done;
}

export const tokenCommand: Command = {
  name: 'token',
  usage: 'USER [options]',
  summary: "Prints a token for a user, signed with the development server's secret",
  description: [
    'For development: in production your own backend signs the tokens, and the key stays there. The token says who the user ' +
      'is (sub), that it is for Millrace (aud) and until when it is good (exp).',
  ],
  options: [
    { name: 'device', value: 'DEVICE', help: 'Makes the token good for this device id only.' },
    { name: 'ttl', value: 'TIME', help: 'How long it is good: 90s, 15m, 24h, 7d. Default: 24h' },
    ...tokenOptions.filter(({ name }) => name !== 'token-command'),
  ],
  run,
};
