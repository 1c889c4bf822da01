import type { GatewayObserver, GatewayStats } from '@millrace/gateway';
import { closeCode } from '@millrace/protocol';
import { Counter, Gauge, type Registry } from 'prom-client';
import { gaugeInto } from './gauge-into.ts';

/** A client may close with any code: only ours and the usual standard ones get a label of their own. */
const knownCodes: ReadonlySet<number> = new Set([1000, 1001, 1002, 1005, 1006, 1009, ...Object.values(closeCode)]);

/** A counter of what happens with every message: it is added up here, and told when somebody asks for the metrics. */
function tally(registry: Registry, name: string, help: string): (count: number) => void {
  let added = 0;
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.inc(added);
      added = 0;
    },
  });
  return (count) => {
    added += count;
  };
}

/** What the gateway tells of its sockets. */
export function gatewayMetrics(registry: Registry): GatewayObserver {
  const registers = [registry];
  const counter = (name: string, help: string): Counter => new Counter({ name, help, registers });
  const open = new Gauge({ name: 'millrace_sockets_open', help: 'Sockets open now.', registers });
  const opened = counter('millrace_sockets_opened_total', 'Sockets opened.');
  const closed = new Counter({
    name: 'millrace_sockets_closed_total',
    help: 'Sockets closed, by close code.',
    labelNames: ['code'],
    registers,
  });
  const framesIn = tally(registry, 'millrace_frames_in_total', 'Frames received.');
  const bytesIn = tally(registry, 'millrace_frame_bytes_in_total', 'Bytes of frames received.');
  const framesOut = tally(registry, 'millrace_frames_out_total', 'Frames sent.');
  const bytesOut = tally(registry, 'millrace_frame_bytes_out_total', 'Bytes of frames sent.');
  const rateLimited = counter('millrace_rate_limited_total', 'Frames refused as too fast.');
  const resynced = new Counter({
    name: 'millrace_resyncs_total',
    help: 'Devices told to sync, by reason.',
    labelNames: ['reason'],
    registers,
  });
  return {
    socketOpened() {
      open.inc();
      opened.inc();
    },
    socketClosed(code) {
      open.dec();
      closed.inc({ code: knownCodes.has(code) ? String(code) : 'other' });
    },
    framesIn(count, bytes) {
      framesIn(count);
      bytesIn(bytes);
    },
    framesOut(count, bytes) {
      framesOut(count);
      bytesOut(bytes);
    },
    rateLimited() {
      rateLimited.inc();
    },
    resynced(reason) {
      resynced.inc({ reason });
    },
  };
}

/** Gauges that are read when somebody asks for the metrics. */
export function sessionMetrics(registry: Registry, stats: () => GatewayStats): void {
  const gauge = gaugeInto(registry);
  gauge('millrace_sessions', 'Sessions that have connected.', () => stats().sessions);
  gauge('millrace_users_online', 'Users with a session here.', () => stats().users);
}
