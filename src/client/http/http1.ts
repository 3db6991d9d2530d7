import { Agent, request as requestPlain, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as TlsAgent, request as requestTls } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import type { PoolOptions } from '../../core/pool.js';
import { inAll, type PoolStats } from '../../core/pool-stats.js';
import { agentCheckOf, requestCheckOf, type Certificates } from '../../core/tls.js';
import { Handshakes } from '../../core/tls-handshakes.js';
import type { Asked, Asker, Connections, RequestHead } from './asking.js';
import { broken } from './faults.js';
import type { Target } from './target.js';
import { headersObject } from './wire.js';

/** Answers before the answer, such as 103: a server that sends more means no good. */
const MOST_PRELIMINARIES = 8;

export interface Http1Parts {
  readonly clock: Clock;
  readonly certificates: Certificates;
  readonly pool: Required<PoolOptions>;
  readonly dialTimeoutMs: number;
  readonly maxHeaderBytes: number;
}

/** Asks by HTTP/1.1 for what is a stream: a connection carries one request at a time, and is kept for the next. */
export class Http1 implements Connections {
  readonly #parts: Http1Parts;
  readonly #plain: Agent;
  readonly #secure: TlsAgent;
  readonly #handshakes = new Handshakes();
  /** How many requests to one address wait for a connection. */
  readonly #waiting = new Map<string, number>();

  constructor(parts: Http1Parts) {
    this.#parts = parts;
    const { size, maxConnections } = parts.pool;
    const options = { keepAlive: true, maxSockets: maxConnections, maxFreeSockets: size };
    this.#plain = aging(new Agent(options), parts);
    // A session that is resumed would not be checked again.
    const secured = { ...options, ...agentCheckOf(parts.certificates.policy), maxCachedSessions: 0 };
    this.#secure = aging(new TlsAgent(secured), parts);
  }

  ask(target: Target, head: RequestHead, asker: Asker): MaybePromise<Asked> {
    const { maxQueue } = this.#parts.pool;
    if ((this.#waiting.get(target.shown) ?? 0) > maxQueue)
      throw new OctavoError(
        'resource_exhausted',
        `${maxQueue} calls wait for a connection to ${target.shown} already (maxQueue)`,
        { executed: false },
      );
    if (!target.tls) return this.#ask(target, head, asker);
    const context = this.#parts.certificates.forClient();
    if (!isPromise(context)) return this.#ask(target, head, asker, context);
    return context.then((it) => this.#ask(target, head, asker, it));
  }

  get stats(): PoolStats {
    return inAll([this.#plain, this.#secure].map((agent) => ({ stats: statsOf(agent) })));
  }

  destroy(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }

  #ask(target: Target, head: RequestHead, asker: Asker, secureContext?: SecureContext): Asked {
    const request = this.#open(target, head, secureContext);
    const asked = new Http1Asked(request, target, asker);
    this.#await(request, target, asked);
    return asked;
  }

  #open({ host, port }: Target, head: RequestHead, secureContext: SecureContext | undefined): ClientRequest {
    const { maxHeaderBytes: maxHeaderSize, certificates } = this.#parts;
    const { method, path } = head;
    const options = { method, path, headers: headersObject(head.headers), host, port, maxHeaderSize };
    if (secureContext === undefined) return requestPlain({ ...options, agent: this.#plain });
    // As a whole, since Node's types do not know the context, which goes to `tls.connect`.
    const check = requestCheckOf(host, certificates.policy);
    const secured = { ...options, ...check, agent: this.#secure, secureContext };
    return requestTls(secured);
  }

  /** Sees to the connection of a request: it waits for one, and a new one has a time to be opened in. */
  #await(request: ClientRequest, target: Target, asked: Http1Asked): void {
    const { clock, dialTimeoutMs } = this.#parts;
    this.#count(target, 1);
    let waits = true;
    const got = (): void => {
      if (waits) this.#count(target, -1);
      waits = false;
    };
    request.once('close', got);
    request.once('socket', (socket) => {
      got();
      if (target.tls ? this.#handshakes.isDone(socket) : !socket.connecting) return asked.connected();
      const timer = clock.after(dialTimeoutMs, () => asked.late(dialTimeoutMs));
      request.once('close', () => timer.cancel());
      const connected = (): void => {
        timer.cancel();
        asked.connected();
      };
      if (target.tls) this.#handshakes.await(socket, connected);
      else socket.once('connect', connected);
    });
  }

  #count({ shown }: Target, more: 1 | -1): void {
    const count = (this.#waiting.get(shown) ?? 0) + more;
    if (count === 0) this.#waiting.delete(shown);
    else this.#waiting.set(shown, count);
  }
}

/** One request of HTTP/1.1. */
class Http1Asked implements Asked {
  readonly body: ClientRequest;
  readonly #target: Target;
  readonly #asker: Asker;
  #connected = false;
  #told = false;
  #preliminaries = 0;

  constructor(request: ClientRequest, target: Target, asker: Asker) {
    this.body = request;
    this.#target = target;
    this.#asker = asker;
    request.on('response', (response) => this.#answered(response));
    request.on('error', (cause) => this.#fail(broken(target.shown, cause, this.#connected)));
    request.on('close', () => this.#fail(broken(target.shown, undefined, this.#connected)));
    request.on('information', () => {
      if (++this.#preliminaries > MOST_PRELIMINARIES)
        this.#refuse('answered with too many preliminary responses');
    });
  }

  connected(): void {
    if (this.#told) return;
    this.#connected = true;
    this.#asker.connected();
  }

  /** The connection took too long to open. */
  late(ms: number): void {
    this.#refuse(`could not be connected to within ${ms} ms (dialTimeoutMs)`);
  }

  cut(): void {
    this.#told = true;
    this.body.destroy();
  }

  #refuse(what: string): void {
    const executed = this.#connected ? {} : { executed: false as const };
    this.#fail(new OctavoError('unavailable', `${this.#target.shown} ${what}`, executed));
    this.body.destroy();
  }

  #answered(response: IncomingMessage): void {
    if (this.#told) return;
    this.#told = true;
    // Whoever reads it is told, too.
    response.on('error', () => {});
    const { statusCode: status = 0, rawHeaders: headers } = response;
    this.#asker.answered({ status, headers, body: response });
  }

  #fail(error: OctavoError): void {
    if (this.#told) return;
    this.#told = true;
    this.#asker.failed(error);
  }
}

/** An agent that lets go of connections that are older than they may be. */
function aging<A extends Agent>(agent: A, { clock, pool }: Http1Parts): A {
  const opened = new WeakMap<Duplex, number>();
  const keep = agent.keepSocketAlive.bind(agent) as (socket: Duplex) => unknown; // says whether it is kept, whatever the types say
  agent.on('free', (socket: Socket) => {
    if (!opened.has(socket)) opened.set(socket, clock.now());
  });
  return Object.assign(agent, {
    keepSocketAlive(socket: Duplex): unknown {
      const since = opened.get(socket) ?? clock.now();
      return clock.now() - since < pool.ttlMs && keep(socket);
    },
  });
}

function statsOf({ sockets, freeSockets, requests }: Agent): PoolStats {
  const [busy, idle, waiting] = [sockets, freeSockets, requests].map((by) =>
    Object.values(by).reduce((sum, each) => sum + (each?.length ?? 0), 0),
  ) as [number, number, number]; // of three
  return { open: busy + idle, idle, waiting };
}
