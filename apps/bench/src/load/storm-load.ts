import { systemClock, systemRandom, type UserId } from '@millrace/kernel';
import { Latency } from '../measure/latency.ts';
import { userToken } from '../workloads/user-sessions.ts';
import { DeviceLogin, type LoginOutcome } from './device-login.ts';
import type { DevicePlan } from './login-plan.ts';
import type { StormCommand, StormPlan, StormResult } from './storm-plan.ts';

const ENROL_AT_ONCE = 64;
const FAULTS_MAX = 20;
const MESSAGES_PER_ANSWER = 500;
const BACKOFF_MS = 250;
const BACKOFF_MS_MAX = 15_000;
/** Everything there may be sent by push or come with the next sync, when it was not diffused yet. */
const AGAIN_MS = 100;

interface Returning {
  readonly jwt: string;
  syncToken: string | null;
  close: () => void;
}

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

/** Many devices of a process that log in at the same moment, as after a network or a node was away. */
export class StormLoad {
  #plan: StormPlan | null = null;
  #devices: Returning[] = [];

  async carryOut(command: StormCommand, onEdge: (edge: 'begin' | 'end') => void): Promise<StormResult | null> {
    if (command.op === 'enrol') {
      await this.#enrol(command.plan, command.websockets);
      return null;
    }
    if (command.op === 'storm') return this.#storm(command, onEdge);
    for (const device of this.#devices) device.close();
    return null;
  }

  #planOf(plan: StormPlan, index: number, websockets: readonly string[]): DevicePlan {
    const { localAddresses, payloadBytes, device } = plan;
    return {
      websocket: websockets[index % websockets.length] ?? '',
      jwt: this.#devices[index]?.jwt ?? '',
      device,
      syncToken: this.#devices[index]?.syncToken ?? null,
      by: 'sync',
      limit: MESSAGES_PER_ANSWER,
      missed: [],
      payloadBytes,
      localAddress: localAddresses[index % localAddresses.length] ?? null,
    };
  }

  async #enrol(plan: StormPlan, websockets: readonly string[]): Promise<void> {
    this.#plan = plan;
    this.#devices = plan.users.map((user) => ({
      jwt: userToken(plan.secret, user as UserId),
      syncToken: null,
      close: () => undefined,
    }));
    const rest = this.#devices.entries();
    const enrolSome = async (): Promise<void> => {
      for (const [index, device] of rest) {
        const login = DeviceLogin.run(this.#planOf(plan, index, websockets));
        device.syncToken = (await login.outcome).syncToken;
        login.close();
      }
    };
    await Promise.all(Array.from({ length: ENROL_AT_ONCE }, enrolSome));
  }

  async #storm(
    { websockets, streams, missed, giveUpMs }: Extract<StormCommand, { readonly op: 'storm' }>,
    onEdge: (edge: 'begin' | 'end') => void,
  ): Promise<StormResult> {
    const plan = this.#plan;
    if (plan === null) throw new Error('no device was enrolled');
    const plans = this.#devices.map((_, index) => ({
      ...this.#planOf(plan, index, websockets),
      missed: (missed[index] ?? []).flatMap((stream) => streams[stream] ?? []),
    }));
    const [connected, synced] = [new Latency(), new Latency()];
    const checked = { delivered: 0, expected: 0, missing: 0, duplicated: 0, gaps: 0 };
    const counts = { retries: 0, repeated: 0 };
    const series: number[] = [];
    const faults: string[] = [];
    const fault = (text: string): void => {
      if (faults.length < FAULTS_MAX && !faults.includes(text)) faults.push(text);
    };
    const startMs = systemClock.monotonicMs();
    onEdge('begin');
    const comeBack = async (device: DevicePlan, index: number): Promise<LoginOutcome | null> => {
      for (let attempt = 0; ; attempt += 1) {
        const login = DeviceLogin.run(device);
        const returning = this.#devices[index];
        if (returning !== undefined) returning.close = login.close;
        try {
          const outcome = await login.outcome;
          const isTooLate = systemClock.monotonicMs() - startMs > giveUpMs;
          if (outcome.missing === 0 || isTooLate) return outcome;
          login.close();
          await pause(AGAIN_MS);
        } catch (error) {
          fault(error instanceof Error ? error.message : String(error));
          if (systemClock.monotonicMs() - startMs > giveUpMs) return null;
          await pause(systemRandom.fraction() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** Math.min(attempt, 10)));
        }
        counts.retries += 1;
      }
    };
    let lastMs = startMs;
    await Promise.all(
      plans.map(async (device, index) => {
        const expected = device.missed.reduce((sum, { messages }) => sum + messages, 0);
        const outcome = await comeBack(device, index);
        checked.expected += expected;
        if (outcome === null) {
          checked.missing += expected;
          return;
        }
        checked.delivered += outcome.messages;
        checked.missing += outcome.missing;
        checked.duplicated += outcome.duplicated;
        checked.gaps += outcome.gaps;
        counts.repeated += outcome.repeated;
        connected.record((outcome.connectedMs - startMs) * 1_000);
        synced.record((outcome.doneMs - startMs) * 1_000);
        const tenth = Math.floor((outcome.doneMs - startMs) / 100);
        series[tenth] = (series[tenth] ?? 0) + 1;
        lastMs = Math.max(lastMs, outcome.doneMs);
      }),
    );
    onEdge('end');
    return {
      devices: plans.length,
      seconds: (lastMs - startMs) / 1_000,
      connected: connected.encode(),
      synced: synced.encode(),
      series: Array.from({ length: series.length }, (_, tenth) => series[tenth] ?? 0),
      ...counts,
      checked,
      faults,
    };
  }
}
