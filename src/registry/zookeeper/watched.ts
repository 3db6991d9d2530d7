/** Who wants to be told of a change, until the signal. */
export interface Watching {
  readonly signal: AbortSignal;
  readonly changed: () => void;
}

interface Watch {
  readonly all: Set<Watching>;
  readonly fire: () => void;
}

/**
 * The watches that are set on one connection: the same function for all that watch the same.
 *
 * The library calls each function once, and keeps what was not called, also those of before a reconnect.
 */
export class Watched {
  readonly #watches = new Map<string, Watch>();
  #ended = false;

  /** @param what whether names, data, or being there is watched */
  watcher(what: string, path: string, watching: Watching | undefined): () => void {
    // The library takes `undefined` for none, whatever its types say.
    if (watching === undefined) return undefined as unknown as () => void;
    const key = `${what} ${path}`;
    const { all, fire } = this.#watches.get(key) ?? this.#begin(key);
    for (const each of all) if (each.signal.aborted) all.delete(each);
    all.add(watching);
    return fire;
  }

  /** Nobody is told from now on: a client that was given up still reads what is on its way. */
  end(): void {
    this.#ended = true;
  }

  #begin(key: string): Watch {
    const all = new Set<Watching>();
    const fire = (): void => {
      this.#watches.delete(key);
      for (const { signal, changed } of all) if (!signal.aborted && !this.#ended) changed();
    };
    const watch = { all, fire };
    this.#watches.set(key, watch);
    return watch;
  }
}
