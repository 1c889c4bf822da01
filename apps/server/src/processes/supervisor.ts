import cluster, { type Worker } from 'node:cluster';
import { err, invariant, ok, type Cancel, type Clock, type Result, type Timers } from '@millrace/kernel';
import type { ServerAddresses } from '../compose.ts';
import type { ServerLog } from '../logging.ts';
import { MetricsOfAll } from './group-metrics.ts';
import { isOurs, tell, type FromProcess } from './process-messages.ts';
import { describeEnding, nextStart, type Ending } from './restart-policy.ts';

export interface SupervisorParts {
  /** Of the processes, as nodes of the cluster. Each keeps its own over its restarts. */
  readonly names: readonly string[];
  /** What the process of that name finds in its environment over what this one has. */
  readonly environment: (name: string) => Readonly<Record<string, string>>;
  /** Whether a process is to say what it would advise about the settings of Redis. */
  readonly advises: boolean;
  readonly log: ServerLog;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Another server has the same names: all of this one is to end. */
  readonly onReplaced: (why: string) => void;
}

const STOP_WHY = 'all processes stop';

/** One of the processes, over its restarts. */
interface Seat {
  readonly name: string;
  worker: Worker | null;
  phase: 'down' | 'starting' | 'serving' | 'stopping' | 'drained';
  /** Monotonic. */
  servingSinceMs: number | null;
  hasServed: boolean;
  refusal: string | null;
  failures: number;
  cancelStart: Cancel;
}

/**
 * The parent of several server processes behind one pair of ports: starts them, starts again what dies, and stops all of
 * them. It serves nothing and holds nothing that is worth keeping.
 *
 * (V1) The second process is started once the first one serves: what keeps one from starting is said once.
 * (V2) A process that refuses to start before all have served ends all of them; later it is tried again, since the others
 *      serve.
 * (V3) Processes that stop together stop serving one another only after the last of them has no client any more.
 */
export class Supervisor {
  readonly #parts: SupervisorParts;
  readonly #seats: readonly Seat[];
  readonly #metrics: MetricsOfAll;
  /** Timers alone keep no process alive, and for a while there may be nothing else. */
  readonly #alive = new MessageChannel().port1;
  #isStopping = false;
  #isClean = true;
  #settle: (outcome: Result<ServerAddresses, string>) => void = () => undefined;
  #allGone: () => void = () => undefined;
  #addresses: ServerAddresses | null = null;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.#metrics = new MetricsOfAll(parts.timers);
    this.#alive.ref();
    this.#seats = parts.names.map((name) => ({
      name,
      worker: null,
      phase: 'down',
      servingSinceMs: null,
      hasServed: false,
      refusal: null,
      failures: 0,
      cancelStart: () => undefined,
    }));
    // Processes take connections in turn. Left to the system, most of a storm would go to one of them.
    cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.setupPrimary({ args: [] });
  }

  /** Resolves when all of them serve, or with the reason for which one of them will not. */
  start(): Promise<Result<ServerAddresses, string>> {
    const outcome = new Promise<Result<ServerAddresses, string>>((resolve) => {
      this.#settle = resolve;
    });
    const [first] = this.#seats;
    invariant(first !== undefined, 'there is a process to start');
    this.#launch(first);
    return outcome;
  }

  /** Drains all of them at once, so that none hands anything to one that goes next. @returns whether all ended well. */
  async stop(): Promise<boolean> {
    this.#isStopping = true;
    for (const seat of this.#seats) seat.cancelStart();
    await new Promise<void>((resolve) => {
      this.#allGone = resolve;
      for (const { worker } of this.#seats) if (worker !== null) tell(worker, { t: 'stop', why: STOP_WHY });
      this.#ifAllGone();
    });
    this.#alive.unref();
    return this.#isClean;
  }

  /** Ends all of them at once. What they acknowledged is stored. */
  abandon(): void {
    this.#isStopping = true;
    for (const { worker } of this.#seats) worker?.process.kill('SIGKILL');
  }

  #launch(seat: Seat): void {
    const { environment, log } = this.#parts;
    const worker = cluster.fork(environment(seat.name));
    seat.worker = worker;
    seat.phase = 'starting';
    seat.servingSinceMs = null;
    seat.refusal = null;
    this.#metrics.serving(seat.name, false);
    worker.on('message', (message: unknown) => {
      if (isOurs(message)) this.#heard(seat, worker, message as FromProcess);
    });
    worker.on('exit', (code: number | null, signal: string | null) => {
      this.#ended(seat, code, signal);
    });
    worker.on('error', (error) => {
      log.error('a process cannot be reached', { process: seat.name, error: error.message });
    });
    log.info('started a process', { process: seat.name, pid: worker.process.pid });
  }

  #heard(seat: Seat, worker: Worker, message: FromProcess): void {
    switch (message.t) {
      case 'up':
        this.#greet(worker);
        return;
      case 'serving':
        this.#serves(seat, message.addresses);
        return;
      case 'refused':
        seat.refusal = message.problem;
        return;
      case 'replaced':
        this.#parts.onReplaced(message.why);
        return;
      case 'stopping':
        seat.phase = 'stopping';
        this.#metrics.serving(seat.name, false);
        return;
      case 'drained':
        seat.phase = 'drained';
        this.#goOnTogether();
        return;
      case 'measured':
        this.#metrics.measured(message.id, message.metrics);
        return;
      case 'collect':
        void this.#collect(worker, message.id);
    }
  }

  #greet(worker: Worker): void {
    const isFirst = !this.#seats.some(({ phase }) => phase === 'serving');
    tell(worker, { t: 'start', isFirst, advises: this.#parts.advises && isFirst });
    if (this.#isStopping) tell(worker, { t: 'stop', why: STOP_WHY });
  }

  #serves(seat: Seat, addresses: ServerAddresses): void {
    if (seat.phase !== 'starting') return;
    seat.phase = 'serving';
    seat.servingSinceMs = this.#parts.clock.monotonicMs();
    seat.hasServed = true;
    this.#metrics.serving(seat.name, true);
    if (this.#isStopping) return;
    const isTheFirst = this.#addresses === null;
    this.#addresses ??= addresses;
    if (isTheFirst) for (const other of this.#seats) if (other !== seat) this.#launch(other);
    if (this.#seats.every(({ hasServed }) => hasServed)) this.#settle(ok(this.#addresses));
  }

  /** Whoever stops alone need not wait for anybody. */
  #goOnTogether(): void {
    const waiting = this.#seats.filter(({ phase }) => phase === 'drained');
    const isLast = this.#seats.every(({ phase }) => phase === 'drained' || phase === 'down');
    if (this.#isStopping && !isLast) return;
    for (const { worker } of waiting) if (worker !== null) tell(worker, { t: 'goOn' });
  }

  #ended(seat: Seat, code: number | null, signal: string | null): void {
    const { clock, timers, log } = this.#parts;
    const wasAsked = seat.phase === 'stopping' || seat.phase === 'drained';
    const servedMs = seat.servingSinceMs === null ? null : clock.monotonicMs() - seat.servingSinceMs;
    const ending: Ending = { code: signal === null ? code : null, signal, servedMs, wasAsked };
    const why = seat.refusal ?? describeEnding(ending);
    seat.worker = null;
    seat.phase = 'down';
    this.#metrics.serving(seat.name, false);
    if (this.#isStopping) {
      if (code !== 0) {
        this.#isClean = false;
        log.warn('a process did not stop as it should', { process: seat.name, why });
      }
      this.#goOnTogether();
      this.#ifAllGone();
      return;
    }
    if (seat.refusal !== null && this.#seats.some(({ hasServed }) => !hasServed)) {
      this.#settle(err(seat.refusal));
      return;
    }
    this.#metrics.ended(seat.name);
    const { failures, delayMs } = nextStart(seat.failures, ending);
    seat.failures = failures;
    const fields = { process: seat.name, why, inMs: delayMs };
    if (wasAsked && code === 0) log.info('a process has stopped; starting it again', fields);
    else log.warn('a process has ended; starting it again', fields);
    seat.cancelStart = timers.after(delayMs, () => {
      this.#launch(seat);
    });
  }

  #ifAllGone(): void {
    if (this.#seats.every(({ worker }) => worker === null)) this.#allGone();
  }

  async #collect(asking: Worker, id: number): Promise<void> {
    const ask = this.#seats.flatMap(({ worker, phase }) =>
      worker === null || phase === 'starting'
        ? []
        : [(question: number) => tell(worker, { t: 'measure', id: question })],
    );
    let text: string | null = null;
    try {
      text = await this.#metrics.text(ask);
    } catch (error) {
      this.#parts.log.error('the metrics of all processes cannot be joined', { error: String(error) });
    }
    tell(asking, { t: 'collected', id, text });
  }
}
