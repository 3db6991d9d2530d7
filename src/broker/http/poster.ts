import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as TlsAgent, request as requestTls } from 'node:https';
import type { SecureContext } from 'node:tls';
import { parseAddress, type HostPort } from '../../core/address.js';
import type { Clock } from '../../core/clock.js';
import { OctavoError, type Code } from '../../core/error.js';
import { isPromise } from '../../core/lifecycle.js';
import { agentCheckOf, requestCheckOf, type Certificates } from '../../core/tls.js';
import { certificateRefused, tlsFault } from '../../core/tls-fault.js';
import { Handshakes } from '../../core/tls-handshakes.js';

/** How many connections to one subscriber there are at most; further posts wait for one. */
const MOST_SOCKETS = 32;
/** For how long a connection is kept for the next post, in milliseconds: less than the 72 s that a subscriber keeps it. */
const IDLE_MS = 30_000;
/** A subscriber says nothing that matters, so little of it is read. */
const MOST_REPLY_BYTES = 64 * 1024;
const MOST_PRELIMINARIES = 8;

/** Fails one post. */
export type Fail = (error: OctavoError) => void;

/** Posts events, over connections that are used again. */
export class Poster {
  readonly #agent: Agent;
  readonly #underWay = new Set<Fail>();
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #certificates: Certificates | undefined;
  readonly #handshakes = new Handshakes();

  /** @param certificates for TLS; without them everything is posted in plain text */
  constructor(timeoutMs: number, clock: Clock, certificates: Certificates | undefined) {
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#certificates = certificates;
    const options = {
      keepAlive: true,
      maxSockets: MOST_SOCKETS,
      maxFreeSockets: MOST_SOCKETS,
      timeout: IDLE_MS,
    };
    // A session that is resumed would not be checked again.
    this.#agent =
      certificates === undefined
        ? new Agent(options)
        : new TlsAgent({ ...options, ...agentCheckOf(certificates.policy), maxCachedSessions: 0 });
  }

  /** Fails what is under way. */
  close(): void {
    for (const fail of [...this.#underWay])
      fail(new OctavoError('unavailable', 'the http broker was stopped during a post'));
    this.#agent.destroy();
  }

  /**
   * Resolves when the subscriber has answered, which it has `timeoutMs` for, however it spends them.
   *
   * Rejects with `executed: false` when it was not reached or has refused the event. What fails it is among `siblings` as long as it lasts.
   */
  post(address: string, path: string, body: Buffer, siblings: Set<Fail>): Promise<void> {
    const context = this.#certificates?.forClient();
    if (!isPromise(context)) return this.#post(address, path, body, siblings, context);
    return context.then((secure) => this.#post(address, path, body, siblings, secure));
  }

  #post(
    address: string,
    path: string,
    body: Buffer,
    siblings: Set<Fail>,
    secure: SecureContext | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const post = this.#open(target(address), path, body, secure);
      /** Whether nothing can have been sent. */
      let shaking = secure !== undefined;
      if (shaking) post.once('socket', (socket) => this.#handshakes.await(socket, () => (shaking = false)));
      const fail: Fail = (error) => {
        // What is rejected is what happened first; the rest comes of destroying.
        reject(error);
        post.destroy();
      };
      const timer = this.#clock.after(this.#timeoutMs, () =>
        fail(
          new OctavoError(
            'deadline_exceeded',
            `${address} did not answer a post within ${this.#timeoutMs} ms`,
          ),
        ),
      );
      this.#underWay.add(fail);
      siblings.add(fail);
      let answered = false;
      post.once('close', () => {
        timer.cancel();
        this.#underWay.delete(fail);
        siblings.delete(fail);
        if (!answered) fail(new OctavoError('unavailable', `${address} did not answer a post`));
      });
      post.on('error', (cause: NodeJS.ErrnoException) => fail(unreachable(address, cause, shaking)));
      let preliminaries = 0;
      post.on('information', () => {
        if (++preliminaries > MOST_PRELIMINARIES) fail(excessive(address));
      });
      const done = (): void => {
        answered = true;
        resolve();
      };
      post.on('response', (response) => read(response, address, done, fail));
      post.end(body);
    });
  }

  #open({ host, port }: HostPort, path: string, body: Buffer, context?: SecureContext): ClientRequest {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length };
    const post = { agent: this.#agent, host, port, path, method: 'POST', headers };
    if (context === undefined || this.#certificates === undefined) return request(post);
    const secured = { ...post, secureContext: context, ...requestCheckOf(host, this.#certificates.policy) };
    return requestTls(secured);
  }
}

function read(response: IncomingMessage, address: string, done: () => void, fail: Fail): void {
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MOST_REPLY_BYTES) fail(excessive(address));
  });
  response.on('error', (cause) => fail(unreachable(address, cause)));
  response.on('end', () => {
    const { statusCode = 0 } = response;
    if (statusCode === 200) done();
    else fail(refusal(address, statusCode));
  });
}

/** An error for a status. Neither go-micro's broker nor this one runs a handler before it answers 4xx. */
function refusal(address: string, status: number): OctavoError {
  const code: Code = status === 413 || status === 429 ? 'resource_exhausted' : 'unavailable';
  const refused = status >= 400 && status < 500;
  const why =
    status === 401
      ? ': it asks for a certificate that it knows: set tls.cert and tls.key of the http broker'
      : '';
  return new OctavoError(code, `${address} answered a post with the status ${status}${why}`, {
    ...(refused && { executed: false }),
  });
}

function excessive(address: string): OctavoError {
  return new OctavoError(
    'resource_exhausted',
    `${address} answered a post with more than ${MOST_REPLY_BYTES} bytes or ${MOST_PRELIMINARIES} preliminary responses`,
  );
}

/** @param shaking whether it went wrong during the handshake of TLS */
function unreachable(address: string, cause: NodeJS.ErrnoException, shaking = false): OctavoError {
  const unsent = shaking || cause.code === 'ECONNREFUSED' || certificateRefused(cause);
  const what = tlsFault(address, cause) ?? cause.message;
  return new OctavoError('unavailable', `${address} cannot be posted to: ${what}`, {
    cause,
    ...(unsent && { executed: false }),
  });
}

/** What a registry says may be anything. */
function target(address: string): HostPort {
  try {
    return parseAddress(address);
  } catch (cause) {
    throw new OctavoError('unavailable', `"${address}" is no address to post to`, { cause, executed: false });
  }
}
