import type { Registry } from 'prom-client';

/** One value, and its labels. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** What a metric is, and where its values are. */
export interface Gathering {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  /** Its values now. Those with the same labels are added up. */
  readonly read: () => Iterable<Sample>;
}

/** Metrics whose values are counted elsewhere, and handed over when somebody asks: with its labels each time it would cost more than the rest of a call. */
export class Gathered {
  readonly #prom: typeof import('prom-client');
  readonly #registry: Registry;
  readonly #prefix: string;

  constructor(prom: typeof import('prom-client'), registry: Registry, prefix: string) {
    this.#prom = prom;
    this.#registry = registry;
    this.#prefix = prefix;
  }

  /** One of which the name ends in `total` only grows. */
  add({ name, help, labelNames, read }: Gathering): void {
    const { Counter, Gauge } = this.#prom;
    const registers = [this.#registry];
    const configuration = { name: this.#prefix + name, help, labelNames: [...labelNames], registers };
    if (name.endsWith('_total'))
      new Counter({
        ...configuration,
        collect() {
          this.reset();
          for (const [labels, value] of read()) this.inc(labels, value);
        },
      });
    else
      new Gauge({
        ...configuration,
        collect() {
          this.reset();
          for (const [labels, value] of read()) this.inc(labels, value);
        },
      });
  }
}
