import { pickEngine } from '@millrace/gateway';
import { systemTimers } from '@millrace/kernel';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** The socket engines that load on this machine, as `MILLRACE_SOCKET_ENGINE` names them. */
export const loadableEngines: readonly ('ws' | 'uws')[] = (['ws', 'uws'] as const).filter(
  (engine) => pickEngine(engine, systemTimers, quiet).ok,
);
