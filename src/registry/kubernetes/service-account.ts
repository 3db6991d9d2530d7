import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../core/clock.js';

/** For how long a token that was read is used, in milliseconds. Kubernetes writes a new one long before the old one ends. */
const FRESH_MS = 10_000;

/** What a pod is given to speak to the API server: files in one folder. */
export class ServiceAccount {
  readonly #folder: string;
  readonly #given: string | undefined;
  readonly #clock: Clock;
  #token: string | undefined;
  #readAt = -Infinity;

  /** @param token the token that is used instead of the one in the folder */
  constructor(folder: string, token: string | undefined, clock: Clock) {
    this.#folder = folder;
    this.#given = token;
    this.#clock = clock;
  }

  /** The path of the API server's authority; `undefined` where there is none. */
  async ca(): Promise<string | undefined> {
    const path = join(this.#folder, 'ca.crt');
    return (await textIn(path)) === undefined ? undefined : path;
  }

  /** The pod's namespace. */
  namespace(): Promise<string | undefined> {
    return textIn(join(this.#folder, 'namespace'));
  }

  /** The token was refused: it is read again before it is used again. */
  refused(): void {
    this.#readAt = -Infinity;
  }

  /** The token that is good now. */
  async token(): Promise<string | undefined> {
    if (this.#given !== undefined) return this.#given;
    const now = this.#clock.now();
    if (now - this.#readAt >= FRESH_MS) {
      this.#readAt = now;
      this.#token = (await textIn(join(this.#folder, 'token'))) ?? this.#token;
    }
    return this.#token;
  }
}

async function textIn(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    return undefined;
  }
}
