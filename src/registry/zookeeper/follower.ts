import type { NodeRecord } from '../node-record.js';
import type { NodeView } from '../node-view.js';
import type { Link } from './link.js';
import type { Paths } from './paths.js';
import type { Watching } from './watched.js';

/** How many nodes are read at once. */
const AT_ONCE = 500;
/** How many names of a folder are followed. */
const MOST_NAMES = 100_000;

/**
 * Keeps a view true over one connection. A watch of ZooKeeper's tells once that something has changed, and not what: it is set anew with
 * each reading, and what is read then is compared.
 */
export class Follower {
  readonly #link: Link;
  readonly #paths: Paths;
  readonly #view: NodeView;
  readonly #signal: AbortSignal;
  /** The names in each folder that is followed. */
  readonly #folders = new Map<string, Set<string>>();
  /** What has changed since it was read. */
  #changed = new Set<string>();
  #wake: () => void = () => {};
  /** What the first reading found; afterwards the view has it. */
  #first: Map<string, NodeRecord> | undefined = new Map();
  #reading = false;
  #over = false;
  #settled: (() => void)[] = [];

  constructor(link: Link, paths: Paths, view: NodeView, signal: AbortSignal) {
    this.#link = link;
    this.#paths = paths;
    this.#view = view;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#wake(), { once: true });
  }

  /** Follows the folder of a service, or all. Returns by the signal; rejects when something cannot be read. */
  async run(service: string | undefined): Promise<void> {
    try {
      if (service === undefined) this.#changed.add(this.#paths.root);
      else this.#add(this.#paths.folder(service));
      while (!this.#signal.aborted) {
        await this.#read();
        if (this.#first !== undefined) this.#view.replace(this.#first);
        this.#first = undefined;
        if (this.#changed.size > 0) continue;
        for (const resolve of this.#settled.splice(0)) resolve();
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#over = true;
      for (const resolve of this.#settled.splice(0)) resolve();
    }
  }

  /** Resolves when everything that was changed before is in the view, or nothing is followed any more. */
  async settled(): Promise<void> {
    if (this.#over || (!this.#reading && this.#changed.size === 0)) return;
    await new Promise<void>((resolve) => this.#settled.push(resolve));
  }

  /** Reads all that has changed: the root first, then folders, then nodes. */
  async #read(): Promise<void> {
    this.#reading = true;
    try {
      const changed = this.#changed;
      this.#changed = new Set();
      if (changed.delete(this.#paths.root)) await this.#readRoot(changed);
      const folders = [...changed].filter((path) => this.#folders.has(path));
      const nodes = [...changed].filter((path) => !this.#folders.has(path));
      const listed = await inParts(folders, (path) => this.#readFolder(path));
      await inParts([...new Set([...nodes, ...listed.flat()])], (path) => this.#readNode(path));
    } finally {
      this.#reading = false;
    }
  }

  async #readRoot(changed: Set<string>): Promise<void> {
    const { root } = this.#paths;
    const names = await this.#link.children(root, this.#watching(root));
    if (names === undefined && (await this.#link.exists(root, this.#watching(root)))) this.#changed.add(root);
    const there = new Set((names ?? []).slice(0, MOST_NAMES).map((name) => `${root}/${name}`));
    for (const folder of this.#folders.keys()) if (!there.has(folder)) this.#dropFolder(folder);
    for (const folder of there)
      if (!this.#folders.has(folder)) {
        this.#folders.set(folder, new Set());
        changed.add(folder);
      }
  }

  /** The nodes that have come. */
  async #readFolder(folder: string): Promise<string[]> {
    const known = this.#folders.get(folder) ?? new Set();
    const names = await this.#link.children(folder, this.#watching(folder));
    // Those of all services are found through the root.
    if (names === undefined && !(await this.#link.exists(folder, this.#watching(folder)))) {
      for (const path of known) this.#lose(path);
      known.clear();
      return [];
    }
    if (names === undefined) this.#changed.add(folder);
    const there = new Set((names ?? []).slice(0, MOST_NAMES).map((name) => `${folder}/${name}`));
    for (const path of known) if (!there.has(path)) this.#lose(path);
    const come = [...there].filter((path) => !known.has(path));
    this.#folders.set(folder, there);
    return come;
  }

  async #readNode(path: string): Promise<void> {
    const there = await this.#link.read(path, this.#watching(path));
    const record = there && this.#paths.record(path, there.data);
    // One that is made again would not be new to its folder.
    if (there === undefined) this.#folders.get(path.slice(0, path.lastIndexOf('/')))?.delete(path);
    if (record === undefined) this.#lose(path);
    else if (this.#first !== undefined) this.#first.set(path, record);
    else this.#view.put(path, record);
  }

  #add(folder: string): void {
    this.#folders.set(folder, new Set());
    this.#changed.add(folder);
  }

  #dropFolder(folder: string): void {
    for (const path of this.#folders.get(folder) ?? []) this.#lose(path);
    this.#folders.delete(folder);
  }

  #lose(path: string): void {
    this.#first?.delete(path);
    if (this.#first === undefined) this.#view.remove(path);
  }

  #watching(path: string): Watching {
    return {
      signal: this.#signal,
      changed: () => {
        this.#changed.add(path);
        this.#wake();
      },
    };
  }
}

/** The results for all, some at a time. */
export async function inParts<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE)
    results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(run))));
  return results;
}
