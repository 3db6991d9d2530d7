import { OctavoError } from '../core/error.js';
import type { Page } from '../core/probes.js';
import type { Exposes, Wrapper } from '../wrapper/wrapper.js';

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** How many times as long as a page took to make it is shown again: whoever asks all the time costs a tenth of the process at most. */
const REST = 9;

/** What the wrappers of an app have counted, on one page. */
export class Exposition {
  readonly #exposed: readonly Exposes[];
  #page: Promise<Page> | undefined;
  #until = 0;

  /** @throws `failed_precondition` for two whose metrics would have the same names */
  constructor(wrappers: Iterable<Wrapper>) {
    const exposed = new Set([...wrappers].flatMap(({ exposes }) => exposes ?? []));
    this.#exposed = [...exposed];
    for (const { prefix } of exposed)
      if (this.#exposed.filter((each) => each.prefix === prefix).length > 1)
        throw new OctavoError(
          'failed_precondition',
          `two metrics wrappers have the prefix "${prefix}": make one and attach it everywhere, or give one another prefix`,
        );
  }

  /** Whether there is nothing to show. */
  get empty(): boolean {
    return this.#exposed.length === 0;
  }

  readonly page = (): Promise<Page> => {
    // What it guards is the machine's time, whatever the app's clock says.
    if (this.#page === undefined || performance.now() >= this.#until) this.#page = this.#make();
    return this.#page;
  };

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
