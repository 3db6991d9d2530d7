import { OctavoError } from '../core/error.js';
import type { Page } from '../core/probes.js';
import type { Insight } from '../server/server.js';
import type { Exposes, Reading, Wrapper } from '../wrapper/wrapper.js';

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** How many times as long as a page took to make it is shown again: whoever asks all the time costs a tenth of the process at most. */
const REST = 9;

/** What the wrappers of an app have counted, on one page, and what they say of their state. */
export class Exposition implements Insight {
  readonly #wrappers: ReadonlySet<Wrapper>;
  readonly #exposed: readonly Exposes[];
  #page: Promise<Page> | undefined;
  #until = 0;

  /** @throws `failed_precondition` for two whose metrics would have the same names */
  constructor(wrappers: Iterable<Wrapper>) {
    this.#wrappers = new Set(wrappers);
    this.#exposed = [...new Set([...this.#wrappers].flatMap(({ exposes }) => exposes ?? []))];
    const prefixes = this.#exposed.flatMap((each) => each.prefixes);
    for (const [at, prefix] of prefixes.entries())
      if (prefixes.indexOf(prefix) !== at)
        throw new OctavoError(
          'failed_precondition',
          `two metrics wrappers have the prefix "${prefix}": make one and attach it everywhere, or give one another prefix`,
        );
  }

  *readings(): Iterable<Reading> {
    for (const { readings } of this.#wrappers) if (readings !== undefined) yield* readings();
  }

  page(): Promise<Page> | undefined {
    if (this.#exposed.length === 0) return undefined;
    // What it guards is the machine's time, whatever the app's clock says.
    if (this.#page === undefined || performance.now() >= this.#until) this.#page = this.#make();
    return this.#page;
  }

  async #make(): Promise<Page> {
    const begun = performance.now();
    this.#until = Infinity;
    try {
      const texts: string[] = [];
      for (const each of this.#exposed) texts.push(await each.text());
      return { contentType: CONTENT_TYPE, text: texts.join('') };
    } finally {
      const now = performance.now();
      this.#until = now + REST * (now - begun);
    }
  }
}
