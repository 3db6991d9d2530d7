import type { Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { POOL } from '../transport.js';
import { Link } from './link.js';
import type { Settings } from './settings.js';

/** How many addresses there are links to at most. */
const MOST = 1_024;

/** The links of one transport: one for each address that is called. */
export class Links {
  readonly #settings: Settings;
  readonly #links = new Map<string, Link>();
  #timer: Timer | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** The link to an address. Throws `invalid_argument` for what is none, `resource_exhausted` when all there may be are in use. */
  to(address: string): Link {
    const there = this.#links.get(address);
    if (there !== undefined) return there;
    if (this.#links.size >= MOST && !this.#drop(({ idle }) => idle))
      throw new OctavoError('resource_exhausted', `${MOST} addresses are being called already`, {
        executed: false,
      });
    const link = new Link(address, this.#settings, () => {
      if (this.#links.get(address) === link) this.#links.delete(address);
    });
    this.#links.set(address, link);
    this.#timer ??= this.#tickLater();
    return link;
  }

  /** Ends them all, and is of no use any more. */
  async end(error: OctavoError): Promise<void> {
    this.#timer?.cancel();
    await Promise.all([...this.#links.values()].map((link) => link.end(error)));
  }

  /** Lets go of those that serve nobody. */
  #tickLater(): Timer {
    return this.#settings.clock.after(
      POOL.ttlMs,
      () => {
        const now = this.#settings.clock.now();
        while (this.#drop(({ idle, idleSince }) => idle && now - idleSince >= POOL.ttlMs));
        this.#timer = this.#links.size === 0 ? undefined : this.#tickLater();
      },
      { background: true },
    );
  }

  /** Ends one of these, if there is one. */
  #drop(these: (link: Link) => boolean): boolean {
    for (const link of this.#links.values())
      if (these(link)) {
        void link.end(new OctavoError('unavailable', 'the link was not in use'));
        return true;
      }
    return false;
  }
}
