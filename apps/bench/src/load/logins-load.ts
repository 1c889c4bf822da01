import { systemClock } from '@millrace/kernel';
import { Latency } from '../measure/latency.ts';
import { DeviceLogin } from './device-login.ts';
import type { DevicePlan, LoginsCommand, LoginsResult } from './login-plan.ts';

const FAULTS_MAX = 20;
/** A login of one device ends the one before; with a few ids, none is in the other's way. */
const DEVICE_IDS = 16;

/** One device after the other that logs in, takes all that it has missed, and goes. */
export class LoginsLoad {
  #devices: Readonly<Record<string, DevicePlan>> = {};
  #turn = 0;

  async carryOut(command: LoginsCommand, onEdge: (edge: 'begin' | 'end') => void): Promise<LoginsResult | null> {
    if (command.op === 'repeat') return this.#repeat(command, onEdge);
    this.#devices = command.devices;
    return null;
  }

  async #repeat(
    { name, warmupMs, measureMs }: Extract<LoginsCommand, { readonly op: 'repeat' }>,
    onEdge: (edge: 'begin' | 'end') => void,
  ): Promise<LoginsResult> {
    const plan = this.#devices[name];
    if (plan === undefined) throw new Error(`no device was planned for ${name}`);
    const expectedEach = plan.missed.reduce((sum, { messages }) => sum + messages, 0);
    const login = new Latency();
    const checked = { delivered: 0, expected: 0, missing: 0, duplicated: 0, gaps: 0 };
    const measured = { logins: 0, messages: 0, answers: 0 };
    const faults: string[] = [];
    const startMs = systemClock.monotonicMs();
    let beganMs: number | null = null;
    let nowMs = startMs;
    for (;;) {
      if (beganMs === null && nowMs - startMs >= warmupMs) {
        beganMs = nowMs;
        onEdge('begin');
      }
      if (beganMs !== null && nowMs - beganMs >= measureMs) break;
      this.#turn += 1;
      const device = `${plan.device}-${String(this.#turn % DEVICE_IDS)}`;
      const running = DeviceLogin.run({ ...plan, device });
      const outcome = await running.outcome;
      running.close();
      checked.delivered += outcome.messages;
      checked.expected += expectedEach;
      checked.missing += outcome.missing;
      checked.duplicated += outcome.duplicated;
      checked.gaps += outcome.gaps;
      if (outcome.missing + outcome.gaps + outcome.duplicated > 0 && faults.length < FAULTS_MAX) {
        faults.push(
          `a login of ${name} lacks ${String(outcome.missing)} messages, has ${String(outcome.duplicated)} twice and ` +
            `${String(outcome.gaps)} out of place`,
        );
      }
      nowMs = systemClock.monotonicMs();
      if (beganMs === null) continue;
      measured.logins += 1;
      measured.messages += outcome.messages;
      measured.answers += outcome.answers;
      login.record((outcome.doneMs - outcome.startedMs) * 1_000);
    }
    onEdge('end');
    return { ...measured, seconds: (nowMs - beganMs) / 1_000, login: login.encode(), checked, faults };
  }
}
