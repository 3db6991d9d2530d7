import type { RemoteInfo } from 'node:dgram';
import { formatAddress, parseAddress } from '../../core/address.js';
import { OctavoError } from '../../core/error.js';
import type { Message } from '../../core/message.js';
import type { Listener, Socket } from '../transport.js';
import { AcceptedCall, cut } from './accepted.js';
import { Answered } from './answered.js';
import { KIND, LEAST_CALL_BYTES, readHead, readMessage, writeDatagram, type Head } from './datagram.js';
import { Port } from './port.js';
import type { Settings } from './settings.js';
import { Tokens } from './tokens.js';

/** How often the event loop goes round before a port is given back: what had come by then is refused, and would else be lost. */
const LAST_TURNS = 20;

/** Who sent a datagram, and how it begins. */
interface Origin {
  readonly head: Head;
  readonly from: RemoteInfo;
  readonly remote: string;
  /** The call, among those of all callers. */
  readonly id: string;
}

/** A port that takes calls in. */
export class Door implements Listener {
  readonly #accept: (socket: Socket) => void;
  readonly #settings: Settings;
  readonly #onGone: (door: Door) => void;
  readonly #tokens = new Tokens();
  readonly #answered: Answered;
  readonly #open = new Map<string, AcceptedCall>();
  #port: Port | undefined;
  #address = '';
  #closed: Promise<void> | undefined;

  /** @param onGone called when the port is given back */
  constructor(accept: (socket: Socket) => void, settings: Settings, onGone: (door: Door) => void) {
    this.#accept = accept;
    this.#settings = settings;
    this.#onGone = onGone;
    this.#answered = new Answered(settings.clock);
  }

  get address(): string {
    return this.#address;
  }

  /** Takes the port. Rejects with `unavailable` when it cannot be had. */
  async bind(address: string): Promise<void> {
    const { host, port } = parseAddress(address);
    try {
      this.#port = await Port.bind(host, port, {
        onDatagram: (bytes, from) => this.#take(bytes, from),
        // A caller that is gone is told of nothing.
        onError: (error) => this.#settings.logger.debug('a udp port failed', { address, error }),
      });
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException; // as all that the system rejects with
      const what =
        code === 'EADDRINUSE'
          ? `the address ${address} is in use: stop what listens there, or set another (MICRO_SERVER_ADDRESS)`
          : `cannot listen on ${address}: ${message}`;
      throw new OctavoError('unavailable', what, { cause });
    }
    this.#address = this.#port.address;
  }

  /** Refuses what comes from now on. The port is given back a moment later, or with the last call that is open. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  /** Closes, and cuts what is open. */
  async cut(error: OctavoError): Promise<void> {
    void this.close();
    for (const call of [...this.#open.values()]) call.cut(error);
    await this.#leave();
  }

  async #close(): Promise<void> {
    for (let turn = 0; turn < LAST_TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (this.#open.size === 0) await this.#leave();
  }

  async #leave(): Promise<void> {
    await this.#port?.close();
    this.#onGone(this);
  }

  #take(bytes: Buffer, from: RemoteInfo): void {
    const { dropped } = this.#settings;
    const remote = formatAddress(from.address, from.port);
    const head = readHead(bytes);
    // Nobody can be answered at port 0.
    if (head === undefined || from.port === 0) return dropped.add('malformed', remote);
    const origin = { head, from, remote, id: `${remote} ${head.id}` };
    const known = (): boolean => this.#tokens.holds(remote, head.token);
    switch (head.kind) {
      case KIND.hello:
        return this.#welcome(origin, bytes);
      case KIND.call:
      case KIND.idempotent:
        return known() ? this.#call(origin, bytes) : this.#welcome(origin, bytes);
      case KIND.cancel:
        return known() ? this.#cancel(origin) : dropped.add('stranger', remote);
      default:
        return dropped.add('malformed', remote);
    }
  }

  /** Tells a caller its token, in no more bytes than came: they may go to somebody who asked for nothing. */
  #welcome({ head, from, remote }: Origin, { length }: Buffer): void {
    if (length < LEAST_CALL_BYTES) return this.#settings.dropped.add('malformed', remote);
    this.#port?.send(writeDatagram({ ...head, kind: KIND.token }, this.#tokens.of(remote), 'latin1'), from);
  }

  #call(origin: Origin, bytes: Buffer): void {
    const { head, from, remote, id } = origin;
    const { dropped, limits } = this.#settings;
    const answer = this.#answered.get(id);
    if (answer?.datagram !== undefined) return this.#port?.send(answer.datagram, from);
    if (answer !== undefined || this.#open.has(id)) return dropped.add('duplicate', remote);
    const refusal = this.#refusal();
    if (refusal !== undefined) return this.#port?.send(cut(head, refusal), from);
    let message: Message;
    try {
      message = readMessage(bytes, limits);
    } catch (reason) {
      const { code, message: what } = OctavoError.from(reason);
      if (code !== 'resource_exhausted') return dropped.add('malformed', remote);
      return this.#port?.send(cut(head, new OctavoError(code, what, { executed: false })), from);
    }
    this.#begin(origin, { ...message, arrivedAt: this.#settings.clock.now() });
  }

  #begin({ head, from, remote, id }: Origin, message: Message): void {
    const { logger } = this.#settings;
    const onAnswer = (answer?: Buffer): void => {
      this.#open.delete(id);
      this.#answered.add(id, head.kind === KIND.idempotent ? answer : undefined);
      if (answer !== undefined) this.#port?.send(answer, from);
      if (this.#closed !== undefined && this.#open.size === 0) void this.#closed.then(() => this.#leave());
    };
    const call = new AcceptedCall(
      { local: this.#address, remote, settings: this.#settings, head, onAnswer },
      message,
    );
    this.#open.set(id, call);
    try {
      this.#accept(call);
    } catch (reason) {
      // It is this call's misfortune, and not that of others.
      logger.error('accepting a call failed', { error: reason, address: this.#address });
      call.close(new OctavoError('internal', 'it could not be accepted'));
    }
  }

  #cancel({ id, remote }: Origin): void {
    const call = this.#open.get(id);
    if (call === undefined) return this.#settings.dropped.add('late', remote);
    call.finish();
  }

  /** Why no more calls are taken in, if so. */
  #refusal(): OctavoError | undefined {
    const { maxSockets } = this.#settings;
    if (this.#closed !== undefined)
      return new OctavoError('unavailable', `nobody listens at ${this.#address} any more`, {
        executed: false,
      });
    if (this.#open.size < maxSockets) return undefined;
    return new OctavoError(
      'resource_exhausted',
      `${this.#address} has ${maxSockets} calls open: it takes no more (maxSockets)`,
      { executed: false },
    );
  }
}
