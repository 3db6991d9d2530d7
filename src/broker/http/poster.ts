import { Agent, request } from 'node:http';
import { parseAddress } from '../../core/address.js';
import { OctavoError } from '../../core/error.js';

/** How many connections to one subscriber there are at most; further posts wait for one. */
const MOST_SOCKETS = 32;

/** Posts events, over connections that are used again. */
export class Poster {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MOST_SOCKETS, maxFreeSockets: 4 });
  readonly #timeoutMs: number;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Resolves when the subscriber has answered. Rejects with `executed: false` when it was not reached. */
  post(address: string, path: string, body: Buffer, signal?: AbortSignal): Promise<void> {
    const { host, port } = parseAddress(address);
    return new Promise((resolve, reject) => {
      const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length };
      const post = request({
        agent: this.#agent,
        host,
        port,
        path,
        method: 'POST',
        headers,
        timeout: this.#timeoutMs,
        ...(signal && { signal }),
      });
      post.on('response', (response) => {
        response.resume();
        response.on('end', () =>
          response.statusCode === 200
            ? resolve()
            : reject(
                new OctavoError(
                  'unavailable',
                  `${address} answered a post with the status ${response.statusCode}`,
                ),
              ),
        );
        response.on('error', reject);
      });
      post.on('timeout', () =>
        post.destroy(
          new OctavoError(
            'deadline_exceeded',
            `${address} did not answer a post within ${this.#timeoutMs} ms`,
          ),
        ),
      );
      post.on('error', (cause: NodeJS.ErrnoException) => {
        if (cause instanceof OctavoError) return reject(cause);
        const refused = cause.code === 'ECONNREFUSED';
        reject(
          new OctavoError('unavailable', `${address} cannot be posted to: ${cause.message}`, {
            cause,
            ...(refused && { executed: false }),
          }),
        );
      });
      post.end(body);
    });
  }
}
