import { Gauge, type Registry } from 'prom-client';

/** Adds gauges to a registry, each of which is read whenever the metrics are asked for. */
export const gaugeInto =
  (registry: Registry) =>
  (name: string, help: string, read: () => number | Promise<number>): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        this.set(await read());
      },
    });
  };
