import type { Lifecycle } from '../core/lifecycle.js';
import type { Assembled } from '../wrapper/wrapper.js';

/** What the wrappers of an app need open while it runs. */
export class Joined implements Lifecycle {
  readonly #lifecycles: readonly Lifecycle[];

  constructor(app: Assembled) {
    const joining = new Set(app.wrappers.flatMap(({ joins }) => joins ?? []));
    this.#lifecycles = [...joining].map((joins) => joins(app));
  }

  async start(): Promise<void> {
    for (const each of this.#lifecycles) await each.start?.();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#lifecycles.map(async (each) => each.stop?.()));
  }
}
