import { fail, fine, warn, type Finding } from './finding.ts';

const NODE_MAJOR = { from: 20, to: 24 };
const FILES_ADVISED = 10_000;
const FILES_MIN = 1_000;
const CLOCK_OFF_SECONDS_MAX = 5;
const DISK_BYTES_ADVISED = 1024 ** 3;

export function judgeNode(version: string): Finding {
  const major = Number(version.split('.')[0]);
  const what = `Node ${version}`;
  if (major >= NODE_MAJOR.from && major <= NODE_MAJOR.to) return fine(what);
  return fail(what, `Use Node ${String(NODE_MAJOR.from)} to ${String(NODE_MAJOR.to)}.`);
}

/** @param limits - the text of /proc/self/limits; null where there is none. */
export function judgeFileLimit(limits: string | null): Finding {
  const found = /^Max open files\s+(\d+|unlimited)/m.exec(limits ?? '')?.[1];
  if (found === undefined)
    return warn('the limit of open files is not known here', 'See that `ulimit -n` is 10,000 or more.');
  const what = `${found} open files allowed; each connection takes one`;
  const files = found === 'unlimited' ? Infinity : Number(found);
  if (files >= FILES_ADVISED) return fine(what);
  const advice = `Raise it before many users come: \`ulimit -n ${String(FILES_ADVISED)}\`, or LimitNOFILE of the service.`;
  return files < FILES_MIN ? fail(what, advice) : warn(what, advice);
}

/** @param date - the server's `Date` header, in whole seconds. */
export function judgeClock(date: string | null, nowMs: number): Finding {
  const serverMs = Date.parse(date ?? '');
  if (!Number.isFinite(serverMs)) return warn("the server's clock is not known", 'It sends no Date header.');
  const offSeconds = Math.abs(nowMs - serverMs) / 1000;
  const what = `the clocks of this machine and of the server are within ${String(Math.ceil(offSeconds))} s`;
  if (offSeconds <= CLOCK_OFF_SECONDS_MAX) return fine(what);
  return warn(
    `the clocks of this machine and of the server are ${String(Math.round(offSeconds))} s apart`,
    'Messages stay in order, but tokens seem expired, or not yet good. Set both clocks by NTP.',
  );
}

export function judgeDisk(freeBytes: number, dir: string): Finding {
  const what = `${(freeBytes / 1024 ** 3).toFixed(1)} GiB free where ${dir} is`;
  return freeBytes >= DISK_BYTES_ADVISED
    ? fine(what)
    : warn(what, 'Redis stops taking messages when its log cannot be written.');
}
