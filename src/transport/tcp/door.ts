import type { AddressInfo, Server, Socket as TcpSocket } from 'node:net';
import { formatAddress } from '../../core/address.js';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { Handshakes } from '../../core/handshakes.js';
import { Rounds } from '../../core/multiplexed/rounds.js';
import type { Refusals } from '../../core/refusals.js';
import type { Certificates } from '../../core/tls.js';
import type { Listener, Socket } from '../transport.js';
import { Connection, FAREWELL_MS, type ConnectionOptions, type ConnectionOwner } from './connection.js';
import { lookEvery } from './vigil.js';

export interface DoorOptions extends ConnectionOptions {
  /** For how long a connection that carries nothing is kept at least, in milliseconds; `0` is for ever. */
  readonly idleMs: number;
}

export interface DoorParts {
  readonly clock: Clock;
  readonly refusals: Refusals;
  readonly accept: (socket: Socket) => void;
  /** Those that are shown, where TLS and nothing else is spoken. */
  readonly certificates: Certificates | undefined;
}

/** An open door, and the connections that came through it. */
export class Door implements Listener {
  readonly address: string;
  readonly secure: boolean;
  readonly #server: Server;
  readonly #options: DoorOptions;
  readonly #parts: DoorParts;
  readonly #rounds: Rounds<Connection>;
  readonly #handshakes: Handshakes | undefined;
  readonly #idleSince = new WeakMap<Connection, number>();
  /** Told when a connection has closed. */
  readonly #onGone = new Set<() => void>();

  /** @param server one that listens */
  constructor(server: Server, options: DoorOptions, parts: DoorParts) {
    // A TCP server that listens has an address with a port.
    const { address, port } = server.address() as AddressInfo;
    this.address = formatAddress(address, port);
    this.#server = server;
    this.#options = options;
    this.#parts = parts;
    this.#rounds = new Rounds(parts.clock, lookEvery(options), (connection, now) =>
      this.#sweep(connection, now),
    );
    this.#handshakes = parts.certificates && this.#newHandshakes(parts.certificates);
    this.secure = this.#handshakes !== undefined;
    server.on('connection', (tcp: TcpSocket) => {
      if (this.#handshakes === undefined) this.#take(tcp, {});
      else this.#handshakes.take(tcp);
    });
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#rounds.connections.size;
  }

  /** Waits for callers to close the connections that carry nothing, but not for long. */
  async close(): Promise<void> {
    // Its callback waits for connections that are busy, and they may take their time.
    if (this.#server.listening) this.#server.close();
    // Nothing was sent on what is not open yet.
    this.#handshakes?.destroy();
    for (const connection of [...this.#rounds.connections]) connection.farewell();
    if (this.#idle === 0) return;
    const { clock } = this.#parts;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#onGone.delete(gone);
        resolve();
      };
      const gone = (): void => {
        if (this.#idle === 0) done();
      };
      const timer = clock.after(FAREWELL_MS, done);
      this.#onGone.add(gone);
    });
  }

  /** Closes, and cuts what is open. */
  async cut(): Promise<void> {
    const gone = new Promise((resolve) => this.#server.once('close', resolve));
    if (this.#server.listening) this.#server.close();
    else if (this.#rounds.connections.size === 0) return;
    this.#handshakes?.destroy();
    this.#rounds.destroy(new OctavoError('unavailable', 'the tcp transport was stopped'));
    await gone;
  }

  /** How many connections carry nothing. */
  get #idle(): number {
    let count = 0;
    for (const { streams } of this.#rounds.connections) if (streams.size === 0) count++;
    return count;
  }

  #newHandshakes(certificates: Certificates): Handshakes {
    const { clock, refusals } = this.#parts;
    return new Handshakes({
      certificates,
      clock,
      timeoutMs: this.#options.headerTimeoutMs,
      secured: (tls, { certificate }, unwelcome) => this.#take(tls, { certificate, unwelcome }),
      plain: (tcp) => this.#take(tcp, { unwelcome: this.#withoutTls() }),
      refused: (remote, error) => refusals.note(remote.slice(0, remote.lastIndexOf(':')), error),
    });
  }

  /** What is said to whom dials in plain text. */
  #withoutTls(): OctavoError {
    const what = `${this.address} takes TLS only: give the tcp transport of the caller the option tls`;
    return new OctavoError('unavailable', what, { executed: false });
  }

  #take(tcp: TcpSocket, whom: Pick<ConnectionOwner, 'certificate' | 'unwelcome'>): void {
    const connection = new Connection(tcp, this.#parts.clock, this.#options, {
      ...whom,
      accept: this.#parts.accept,
      opened: () => {},
      changed: () => {},
      refused: (error) => this.#parts.refusals.note(tcp.remoteAddress ?? '', error),
      closed: () => {
        this.#rounds.delete(connection);
        for (const gone of [...this.#onGone]) gone();
      },
    });
    this.#rounds.add(connection);
    if (!this.#server.listening) connection.farewell();
  }

  /** Says goodbye to a connection that has carried nothing for too long. */
  #sweep(connection: Connection, now: number): void {
    const { idleMs } = this.#options;
    const since = this.#idleSince.get(connection);
    if (connection.streams.size > 0 || connection.seen !== connection.streams.count || since === undefined) {
      connection.seen = connection.streams.count;
      this.#idleSince.set(connection, now);
    } else if (idleMs > 0 && now - since >= idleMs) connection.farewell();
  }
}
