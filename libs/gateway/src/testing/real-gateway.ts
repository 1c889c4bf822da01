import { systemClock, systemRandom, systemTimers } from '@millrace/kernel';
import { silentTrace } from '@millrace/messaging';
import type { SocketEngine } from '../engine/socket-engine.ts';
import { loadUws } from '../engine/uws-api.ts';
import { UwsEngine } from '../engine/uws-engine.ts';
import { WsEngine } from '../engine/ws-engine.ts';
import { gatewayConfigSchema, type GatewaySettings } from '../gateway-config.ts';
import { Gateway } from '../gateway.ts';
import type { GatewayLog } from '../log.ts';
import { silentGatewayObserver } from '../observer.ts';
import { MemoryChat } from './memory-chat.ts';
import { MemoryLog, PlainVerifier } from './test-gateway.ts';

/** A gateway with real sockets, on a free port, and in real time; only the chat behind it is the test's. */
export async function realGateway(
  engine: SocketEngine,
  settings: GatewaySettings = {},
  { chat = new MemoryChat(), log = new MemoryLog() }: { readonly chat?: MemoryChat; readonly log?: GatewayLog } = {},
): Promise<Gateway> {
  const started = await Gateway.start({
    config: gatewayConfigSchema.parse({ port: 0, closeMs: 200, sendBufferBytesMax: 131_072, ...settings }),
    engine,
    chat,
    verifier: new PlainVerifier(systemClock),
    ackLevel: 'memory',
    isCutOff: () => false,
    trace: silentTrace,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    log,
    observer: silentGatewayObserver,
  });
  if (!started.ok) throw new Error(started.error.message);
  return started.value;
}

/** Once for each engine that loads on this machine. */
export function onEachEngine(tests: (name: string, create: () => SocketEngine) => void): void {
  tests('ws', () => new WsEngine(systemTimers));
  const uws = loadUws();
  if (uws.ok) tests('uWebSockets.js', () => new UwsEngine(uws.value, systemTimers));
}
