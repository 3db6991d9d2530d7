import type { Socket } from 'node:net';
import type { Client, Exception } from 'node-zookeeper-client';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { quietly } from '../../core/quietly.js';
import type { Server } from './address.js';
import type { Dialler, Inside } from './dialler.js';
import { Watched, type Watching } from './watched.js';

export type Library = typeof import('node-zookeeper-client');

/** The library's own errors have a code. */
type Failure = Error | Exception | null | undefined;

export interface LinkOptions {
  readonly servers: readonly Server[];
  readonly sessionTimeoutMs: number;
  /** `user:password` */
  readonly digest: string | undefined;
  /** How long one question may take, in milliseconds. */
  readonly timeoutMs: number;
}

export interface LinkParts {
  readonly library: Library;
  readonly clock: Clock;
  readonly dialler: Dialler;
}

/** What the owner of a link is told. */
export interface LinkEvents {
  /** There is a session, a new one or the one from before. */
  up(): void;
  /** There is no connection; the client tries to come back. */
  down(): void;
  /** The client has given up. */
  over(): void;
}

/** What a node of the tree holds. */
export interface Znode {
  readonly data: Buffer;
  /** The session that it lives as long as, in hex. */
  readonly owner: string;
}

/** The longest wait between two attempts of the client to connect, in milliseconds; a random part of it is waited. */
const SPIN_MS = 200;
/** How long the end of a session has to reach the server, in milliseconds. */
const LAST_WORD_MS = 500;
/** Bytes that a node may hold: a server cuts the connection for a packet of a whole 1 MiB (its jute.maxbuffer). */
const MOST_BYTES = 1_000_000;

/**
 * One client of the library, for as long as it works: promises for its callbacks, and an end to each.
 *
 * The library waits for ever for what a dead connection owes it, and throws what a callback throws.
 */
export class Link {
  readonly where: string;
  readonly #library: Library;
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #open: readonly InstanceType<Library['ACL']>[] | undefined;
  readonly #waiting = new Set<(error: OctavoError) => void>();
  readonly #watched = new Watched();
  #attempt: Socket | undefined;
  #dropped = false;

  constructor(options: LinkOptions, { library, clock, dialler }: LinkParts, events: LinkEvents) {
    const { servers, sessionTimeoutMs, digest, timeoutMs } = options;
    this.where = servers.map(({ shown }) => shown).join(', ');
    this.#library = library;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    // The library shuffles servers, and does not read those of IPv6: it gets their numbers, and then where they are.
    this.#client = library.createClient([...servers.keys()].join(','), {
      sessionTimeout: sessionTimeoutMs,
      spinDelay: SPIN_MS,
      retries: 0,
    });
    const inside = this.#inside;
    inside.servers = inside.servers.map(({ host }) => servers[Number(host)] ?? { host, port: 0 });
    dialler.serve(inside);
    if (digest !== undefined) {
      const { ACL, Id, Permission } = library;
      this.#client.addAuthInfo('digest', Buffer.from(digest));
      this.#open = [new ACL(Permission.ALL, new Id('auth', ''))];
    }
    this.#client.on('connected', () => events.up());
    this.#client.on('disconnected', () => events.down());
    for (const end of ['expired', 'authenticationFailed']) this.#client.on(end, () => events.over());
  }

  connect(): void {
    this.#client.connect();
  }

  /** The session that there is, in hex. */
  get session(): string {
    return this.#client.getSessionId().toString('hex');
  }

  /** What the server made of the session timeout that was asked for. */
  get sessionTimeoutMs(): number {
    return this.#client.getSessionTimeout();
  }

  /** The names below a node, `undefined` without that node. `watching` is called once, when they change. */
  children(path: string, watching?: Watching): Promise<readonly string[] | undefined> {
    const { NO_NODE } = this.#library.Exception;
    return this.#ask<readonly string[] | undefined>(`list "${path}"`, { [NO_NODE]: undefined }, (done) =>
      this.#client.getChildren(path, this.#watched.watcher('names', path, watching), done),
    );
  }

  /** A node, `undefined` where there is none. `watching` is called once, when it changes or goes. */
  read(path: string, watching?: Watching): Promise<Znode | undefined> {
    const { NO_NODE } = this.#library.Exception;
    return this.#ask<Znode | undefined>(`read "${path}"`, { [NO_NODE]: undefined }, (done) =>
      this.#client.getData(path, this.#watched.watcher('data', path, watching), (error, data, stat) =>
        done(error, error ? undefined : znode(data, stat)),
      ),
    );
  }

  /** Whether a node is there. `watching` is called once, when it comes, changes or goes. */
  exists(path: string, watching?: Watching): Promise<boolean> {
    return this.#ask(`look for "${path}"`, {}, (done) =>
      this.#client.exists(path, this.#watched.watcher('being', path, watching), (error, stat) =>
        // The library says so with `null`.
        done(error, (stat as typeof stat | null) !== null),
      ),
    );
  }

  /** Makes a node that lives as long as the session. Says what is in the way instead. */
  create(path: string, data: Buffer): Promise<'created' | 'exists' | 'no parent'> {
    const { CreateMode, Exception } = this.#library;
    const refusals = { [Exception.NODE_EXISTS]: 'exists', [Exception.NO_NODE]: 'no parent' } as const;
    return this.#ask<'created' | 'exists' | 'no parent'>(`create "${path}"`, refusals, (done) => {
      bounded(path, data);
      const created = (error: Failure): void => done(error, 'created');
      if (this.#open === undefined) this.#client.create(path, data, CreateMode.EPHEMERAL, created);
      else this.#client.create(path, data, [...this.#open], CreateMode.EPHEMERAL, created);
    });
  }

  /** Makes a node that stays, and those above it, where they are not there yet. */
  make(path: string): Promise<void> {
    return this.#ask<undefined>(`create "${path}"`, {}, (done) => {
      const made = (error: Failure): void => done(error, undefined);
      if (this.#open === undefined) this.#client.mkdirp(path, made);
      else this.#client.mkdirp(path, [...this.#open], made);
    });
  }

  /** Whether there was a node to write to. */
  write(path: string, data: Buffer): Promise<boolean> {
    const { NO_NODE } = this.#library.Exception;
    return this.#ask(`write "${path}"`, { [NO_NODE]: false }, (done) => {
      bounded(path, data);
      this.#client.setData(path, data, -1, (error) => done(error, true));
    });
  }

  /** Takes a node away, where there is one. */
  remove(path: string): Promise<void> {
    const { NO_NODE } = this.#library.Exception;
    return this.#ask<undefined>(`remove "${path}"`, { [NO_NODE]: undefined }, (done) =>
      this.#client.remove(path, -1, (error) => done(error, undefined)),
    );
  }

  /** Whether the server answers within this time. */
  async answers(withinMs: number): Promise<boolean> {
    try {
      await this.#ask('look for "/"', {}, (done) => this.#client.exists('/', done), withinMs);
      return true;
    } catch (reason) {
      return reason instanceof OctavoError && reason.code === 'unauthenticated';
    }
  }

  /** Ends an attempt to connect that was there the last time too, and has no answer: the library would wait for ever. */
  nudge(): void {
    const { socket } = this.#inside;
    if (socket === this.#attempt) socket?.destroy();
    this.#attempt = socket;
  }

  /** Ends the session, and whatever was asked. What the server does not hear of ends with the session's time. */
  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    const client = this.#client;
    client.removeAllListeners();
    this.#watched.end();
    // It throws where there was no socket yet.
    quietly(() => client.close());
    // A client that was closed leaves a socket open that hangs, and may yet open one.
    let { socket } = this.#inside;
    const last = socket;
    last?.end();
    this.#clock.after(LAST_WORD_MS, () => last?.destroy(), { background: true });
    Object.defineProperty(this.#inside, 'socket', {
      get: () => socket,
      set: (next: Socket) => {
        socket = next.destroy();
      },
    });
    for (const fail of [...this.#waiting]) fail(this.#gone('the connection was given up'));
  }

  get #inside(): Inside {
    // The types hide it.
    return (this.#client as unknown as { readonly connectionManager: Inside }).connectionManager;
  }

  /** Asks, and gives up after a time. Errors with these codes are answers. */
  #ask<T>(
    what: string,
    expected: Readonly<Record<number, T>>,
    ask: (done: (error: Failure, value: T) => void) => void,
    timeoutMs = this.#timeoutMs,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(timeoutMs, () => fail(this.#gone(`no answer within ${timeoutMs} ms`)), {
        background: true,
      });
      const settle = (): void => {
        timer.cancel();
        this.#waiting.delete(fail);
      };
      const fail = (error: Error): void => {
        settle();
        reject(error);
      };
      if (this.#dropped) return fail(this.#gone('the connection was given up'));
      this.#waiting.add(fail);
      try {
        ask((error, value) => {
          settle();
          const code = codeOf(error);
          if (error === null || error === undefined) resolve(value);
          // The code was just seen to be there.
          else if (code !== undefined && code in expected) resolve(expected[code] as T);
          else reject(this.#failure(what, error, code));
        });
      } catch (cause) {
        fail(
          cause instanceof OctavoError
            ? cause
            : new OctavoError('invalid_argument', `cannot ${what} in ZooKeeper: ${String(cause)}`, {
                cause,
              }),
        );
      }
    });
  }

  #failure(what: string, cause: NonNullable<Failure>, code: number | undefined): OctavoError {
    const { NO_AUTH, AUTH_FAILED, CONNECTION_LOSS, SESSION_EXPIRED } = this.#library.Exception;
    if (code === NO_AUTH || code === AUTH_FAILED)
      return new OctavoError(
        'unauthenticated',
        `ZooKeeper at ${this.where} does not let us ${what}: wrong user or password`,
        { cause },
      );
    if (code === CONNECTION_LOSS || code === SESSION_EXPIRED)
      return this.#gone(code === CONNECTION_LOSS ? 'the connection broke' : 'the session has expired', cause);
    return new OctavoError('internal', `ZooKeeper at ${this.where} could not ${what}: ${String(cause)}`, {
      cause,
    });
  }

  #gone(why: string, cause?: unknown): OctavoError {
    return new OctavoError('unavailable', `no ZooKeeper server at ${this.where}: ${why}`, { cause });
  }
}

function znode(data: Buffer | undefined, stat: { readonly ephemeralOwner: Buffer }): Znode {
  return { data: data ?? Buffer.alloc(0), owner: stat.ephemeralOwner.toString('hex') };
}

function bounded(path: string, data: Buffer): void {
  if (data.length > MOST_BYTES)
    throw new OctavoError(
      'resource_exhausted',
      `the record of "${path}" has ${data.length} bytes: a node of ZooKeeper holds ${MOST_BYTES}`,
    );
}

function codeOf(error: Failure): number | undefined {
  return error && 'getCode' in error ? error.getCode() : undefined;
}
