import type { Connection, ConnectionConfig, Reader, Writer } from 'nsqjs';
import { parseAddress } from '../../core/address.js';
import type { ClientParts, NsqTls } from './options.js';
import { OctavoError } from '../../core/error.js';
import { peer } from '../../core/peer.js';
import { Certificates } from '../../core/tls.js';
import { tlsFault } from '../../core/tls-fault.js';
import { guard } from './guard.js';
import { secure } from './secure.js';

export interface ClientOptions {
  readonly secret: string | undefined;
  readonly tls: NsqTls | undefined;
  readonly messageTimeoutMs: number;
}

type Library = Pick<typeof import('nsqjs'), 'Reader' | 'Writer'>;

/** How long after a connection has ended the next one is tried. */
export const RETRY_MS = 250;
/** How often a server says that it lives, and after how much silence it counts as dead, in seconds. */
const HEARTBEAT_S = 2;
const SILENCE_S = 5;
/** How often a reader without a connection tries to get one, in seconds: the least that the library takes. */
const RECONNECT_S = 1;

/** Makes what talks to one nsqd, all with the same words. */
export class NsqClient {
  readonly #options: ClientOptions;
  readonly #certificates: Certificates | undefined;
  #library: Library | undefined;
  #config: ConnectionConfig = {};

  constructor(options: ClientOptions, parts: ClientParts) {
    this.#options = options;
    this.#certificates = options.tls && new Certificates('the nsq broker', options.tls, parts);
  }

  /** Loads the library, and the certificates. */
  async start(): Promise<void> {
    const { default: library } = await peer('the nsq broker', 'nsqjs', () => import('nsqjs'));
    const { secret } = this.#options;
    await this.#certificates?.start();
    this.#config = {
      clientId: 'octavo',
      heartbeatInterval: HEARTBEAT_S,
      idleTimeout: SILENCE_S,
      // Else the server keeps an event back for 250 ms, for others that go with it.
      outputBufferSize: -1,
      ...(secret !== undefined && { authSecret: secret }),
      ...(this.#certificates && { tls: true }),
    };
    this.#library = library;
  }

  stop(): void {
    this.#certificates?.stop();
  }

  writer(address: string): Writer {
    const { host, port } = parseAddress(address);
    const writer = new this.#loaded.Writer(host, port, this.#config);
    const connect = writer.connect.bind(writer);
    writer.connect = () => {
      connect();
      this.#see(writer.conn, host);
    };
    return writer;
  }

  /** @param maxInFlight how many messages the server sends ahead of the word on them */
  reader(address: string, topic: string, channel: string, maxInFlight: number): Reader {
    const { host } = parseAddress(address);
    const reader = new this.#loaded.Reader(topic, channel, {
      ...this.#config,
      nsqdTCPAddresses: [address],
      lookupdPollInterval: RECONNECT_S,
      maxInFlight,
      messageTimeout: this.#options.messageTimeoutMs,
    });
    const register = reader.registerConnectionListeners.bind(reader);
    reader.registerConnectionListeners = (connection) => {
      this.#see(connection, host);
      register(connection);
    };
    return reader;
  }

  /** Sees to a connection before it is opened. */
  #see(connection: Connection, host: string): void {
    guard(connection);
    if (this.#certificates !== undefined) secure(connection, host, this.#certificates);
  }

  get #loaded(): Library {
    if (this.#library === undefined)
      throw new OctavoError('failed_precondition', 'the nsq broker is not started: call start() first');
    return this.#library;
  }
}

/** What went wrong with a connection, as an error of ours. */
export function errorOf(address: string, cause: unknown, executed?: false): OctavoError {
  if (cause instanceof OctavoError) return cause;
  const text = cause instanceof Error ? cause.message : 'the connection was closed';
  const options = { cause, ...(executed === false && { executed }) };
  if (/E_(?:AUTH_FAILED|UNAUTHORIZED|AUTH_FIRST|AUTH_DISABLED)/.test(text))
    return new OctavoError(
      'unauthenticated',
      `the nsqd at ${address} refused us: wrong secret: ${text}`,
      options,
    );
  if (/E_(?:BAD_MESSAGE|BAD_BODY)/.test(text))
    return new OctavoError(
      'resource_exhausted',
      `the nsqd at ${address} refused an event: raise max-msg-size there, or send less: ${text}`,
      options,
    );
  const fault = (cause instanceof Error && tlsFault(address, cause)) || text;
  return new OctavoError('unavailable', `no nsqd at ${address}: ${fault}`, options);
}
