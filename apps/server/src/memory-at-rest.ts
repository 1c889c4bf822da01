import { Session } from 'node:inspector';
import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import type { Cancel, Timers } from '@millrace/kernel';

/** What a look at the process finds. */
export interface MemoryLook {
  /** The share of the time since the look before in which the event loop had something to do. */
  readonly utilization: number;
  /** The young generation as it has grown, bytes: what is made for messages lies there, and mostly dies there. */
  readonly youngBytes: number;
  /** In use of the whole heap. */
  readonly heapBytes: number;
}

const LOOK_MS = 1_000;
/** Busier than that, the process is not at rest. */
const REST_UTILIZATION = 0.1;
/** What the young generation of any Node may grow to: less is not given back. */
const YOUNG_BYTES_MIN = 36 * 1_048_576;
/** Collecting takes a tenth of a second or less up to this; of a larger heap the young generation is the smaller part. */
const HEAP_BYTES_MAX = 256 * 1_048_576;
/** Looks in a row that find the process at rest, before it collects. */
const RESTFUL_LOOKS = 2;

/** Whether a collection is worth its pause, if the process is at rest. */
export const isWorthCollecting = ({ youngBytes, heapBytes }: Omit<MemoryLook, 'utilization'>): boolean =>
  youngBytes > YOUNG_BYTES_MIN && heapBytes <= HEAP_BYTES_MAX;

/** Looks at this process; each time since the last one. */
function looker(): () => MemoryLook {
  let before: EventLoopUtilization = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
    return { utilization, youngBytes: young?.space_size ?? 0, heapBytes: getHeapStatistics().used_heap_size };
  };
}

/**
 * The one collection that also gives back what the young generation has grown to. No port is opened for it. To disconnect in the
 * answer itself would hold up the process for ever.
 */
function collect(timers: Timers): void {
  const session = new Session();
  session.connect();
  session.post('HeapProfiler.collectGarbage', () => {
    timers.soon(() => {
      session.disconnect();
    });
  });
}

/**
 * Gives back what a burst has left: the server runs with a large young generation, by which a message costs less under load
 * (ADR 15), and which the engine would keep when the load is gone.
 *
 * @returns stops it.
 */
export function giveBackMemoryAtRest(timers: Timers, look = looker(), collectNow = collect): Cancel {
  let restful = 0;
  let cancel: Cancel = () => undefined;
  const lookLater = (): void => {
    cancel = timers.after(LOOK_MS, () => {
      const found = look();
      restful = found.utilization < REST_UTILIZATION ? restful + 1 : 0;
      if (restful >= RESTFUL_LOOKS && isWorthCollecting(found)) {
        restful = 0;
        collectNow(timers);
      }
      lookLater();
    });
  };
  lookLater();
  return () => {
    cancel();
  };
}
