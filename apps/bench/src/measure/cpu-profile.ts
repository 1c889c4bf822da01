/** Where a program was when it was looked at: a function, as V8 names it. */
export interface CallFrame {
  readonly functionName: string;
  /** Empty for what is not of a file. */
  readonly url: string;
  /** Both from 0. */
  readonly lineNumber: number;
  readonly columnNumber: number;
}

/** What `node --cpu-prof` writes. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: CallFrame;
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample, since the one before. */
  readonly timeDeltas: readonly number[];
  /** Microseconds of the monotonic clock. */
  readonly startTime: number;
}

export interface ProfileWindow {
  /** Both in microseconds of the monotonic clock. */
  readonly from: number;
  readonly to: number;
}

const IDLE = '(idle)';
const GARBAGE = '(garbage collector)';

export const GARBAGE_COLLECTION = 'garbage collection';
export const ELSEWHERE = 'Node itself';

/**
 * What a thread did, microseconds by step, idle time left out. A function without a step of its own is part of what
 * called it.
 *
 * @param stepOf - null for a function that has none.
 */
export function stepMicros(
  profile: CpuProfile,
  { from, to }: ProfileWindow,
  stepOf: (frame: CallFrame) => string | null,
): ReadonlyMap<string, number> {
  const steps = new Map<number, string>();
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const [root] = profile.nodes;
  // Parents come before their children.
  const open: (readonly [id: number, caller: string])[] = root === undefined ? [] : [[root.id, ELSEWHERE]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [id, caller] = next;
    const node = byId.get(id);
    if (node === undefined) continue;
    const { functionName } = node.callFrame;
    const step = functionName === GARBAGE ? GARBAGE_COLLECTION : (stepOf(node.callFrame) ?? caller);
    steps.set(id, functionName === IDLE ? IDLE : step);
    for (const child of node.children ?? []) open.push([child, step]);
  }
  const micros = new Map<string, number>();
  let at = profile.startTime;
  profile.samples.forEach((id, index) => {
    const delta = profile.timeDeltas[index] ?? 0;
    at += delta;
    const step = steps.get(id) ?? ELSEWHERE;
    if (at < from || at > to || step === IDLE) return;
    micros.set(step, (micros.get(step) ?? 0) + delta);
  });
  return micros;
}
