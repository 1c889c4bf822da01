import { err, ok, type Result, type Timers } from '@millrace/kernel';
import type { GatewayLog } from '../log.ts';
import type { SocketEngine } from './socket-engine.ts';
import { loadUws, type UwsApi } from './uws-api.ts';
import { UwsEngine } from './uws-engine.ts';
import { WsEngine } from './ws-engine.ts';

export const engineChoices = ['auto', 'uws', 'ws'] as const;
export type EngineChoice = (typeof engineChoices)[number];

/**
 * `auto` takes uWebSockets.js where its binary loads, else `ws`, and says in the log which and why.
 *
 * @returns an error only when `uws` is asked for by name and does not load.
 */
export function pickEngine(
  choice: EngineChoice,
  timers: Timers,
  log: GatewayLog,
  load: () => Result<UwsApi, string> = loadUws,
): Result<SocketEngine, string> {
  if (choice === 'ws') {
    log.info('socket engine: ws', { engine: 'ws', why: 'configured' });
    return ok(new WsEngine(timers));
  }
  const uws = load();
  if (uws.ok) {
    const why = choice === 'uws' ? 'configured' : 'its binary loads on this machine';
    log.info('socket engine: uWebSockets.js', { engine: 'uws', why });
    return ok(new UwsEngine(uws.value, timers));
  }
  if (choice === 'uws')
    return err(`the socket engine uws is configured, but uWebSockets.js does not load: ${uws.error}`);
  log.info('socket engine: ws', { engine: 'ws', why: `uWebSockets.js does not load: ${uws.error}` });
  return ok(new WsEngine(timers));
}
