import { Histogram, type Registry } from 'prom-client';

/** Durations of requests by operation, method and status; its count is the number of requests. */
export class HttpMetrics {
  readonly #seconds: Histogram<'operation' | 'status'>;

  constructor(registry: Registry) {
    this.#seconds = new Histogram({
      name: 'millrace_http_request_seconds',
      help: 'Time from a request to its answer, by operation and HTTP status.',
      labelNames: ['operation', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [registry],
    });
  }

  answered(operation: string, status: number, ms: number): void {
    this.#seconds.observe({ operation, status: String(status) }, ms / 1_000);
  }
}
