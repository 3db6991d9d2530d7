import { OctavoError } from '../../core/error.js';
import type { Node } from '../../registry/registry.js';

/** A reason longer than this is cut, as the error of each attempt goes into one. */
const LONGEST = 300;

interface Failure {
  readonly node: Node;
  readonly error: OctavoError;
}

/** The attempts of a call that failed. */
export class History {
  /** The ids of the nodes that were tried. */
  readonly tried = new Set<string>();
  /** How many of the attempts were retries: offers of a call that was never sent are none. */
  retried = 0;
  /** Whether one was made since what was wrong is mended. */
  mended = false;
  readonly #failures: Failure[] = [];

  get size(): number {
    return this.#failures.length;
  }

  add(node: Node, error: OctavoError): void {
    this.tried.add(node.id);
    this.#failures.push({ node, error });
  }

  /** Each attempt with its node and reason. */
  get text(): string {
    return this.#failures
      .map(({ node, error: { code, message } }, at) => `${at + 1}. ${node.address} ${code}: ${cut(message)}`)
      .join('; ');
  }

  /** The last error, with what came before it. It was not executed only if none of the attempts was. */
  error(why?: string): OctavoError {
    const last = this.#failures.at(-1)?.error ?? new OctavoError('internal', 'nothing was tried');
    if (this.#failures.length < 2 && why === undefined) return last;
    const { code, message, details, retryable, id } = last;
    const unsent = this.#failures.every(({ error }) => error.executed === false);
    const reason = why === undefined ? '' : `, and ${why}`;
    const all = this.#failures.length < 2 ? 'one attempt' : `${this.#failures.length} attempts: ${this.text}`;
    return new OctavoError(code, `${message} (after ${all}${reason})`, {
      details,
      retryable,
      cause: last,
      ...(unsent && { executed: false }),
      ...(id !== undefined && { id }),
    });
  }
}

function cut(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
}
