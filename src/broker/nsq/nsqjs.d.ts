/** What is used of nsqjs 0.13, which has no types of its own. */
declare module 'nsqjs' {
  import type { EventEmitter } from 'node:events';
  import type { Socket } from 'node:net';

  export interface ConnectionConfig {
    readonly authSecret?: string;
    readonly clientId?: string;
    /** Seconds. */
    readonly heartbeatInterval?: number;
    /** Seconds without a byte after which a connection is closed. */
    readonly idleTimeout?: number;
    readonly maxInFlight?: number;
    /** Bytes; -1 for none. */
    readonly outputBufferSize?: number;
    /** Milliseconds. */
    readonly messageTimeout?: number;
    readonly tls?: boolean;
  }

  export interface ReaderConfig extends ConnectionConfig {
    readonly nsqdTCPAddresses: readonly string[];
    /** Seconds. */
    readonly lookupdPollInterval?: number;
  }

  /** What stands between a reader or writer and its socket, which is opened in the turn after the one that it is made in. */
  export interface Connection {
    receiveData(bytes: Buffer): void;
    readonly frameBuffer: { readonly buffer?: Buffer };
    /** What it reads from. */
    conn: Socket;
    /** What it writes to. */
    outWriter: Socket;
    registerStreamListeners(stream: Socket): void;
    /** Called when the server has agreed to TLS. */
    startTLS(done?: () => void): void;
    /** What it does next. */
    readonly statemachine: { goto(state: string, what?: unknown): unknown };
  }

  /** Emits `ready`, `closed` and `error`, the last one twice for one error. */
  export class Writer extends EventEmitter {
    constructor(host: string, port: number, config: ConnectionConfig);
    readonly ready: boolean;
    /** Since `connect`. */
    readonly conn: Connection;
    connect(): void;
    publish(topic: string, message: Buffer, done: (error: Error | null | undefined) => void): void;
    /** Throws in the turn of `connect`. */
    close(): void;
  }

  /** Emits `ready`, `message`, `nsqd_closed` and `error`. */
  export class Reader extends EventEmitter {
    constructor(topic: string, channel: string, config: ReaderConfig);
    connect(): void;
    /** Does nothing where there is a connection, or one is being made. */
    connectToNSQD(host: string, port: number): void;
    /** Called with each connection before it is opened. */
    registerConnectionListeners(connection: Connection): void;
    pause(): void;
    close(): void;
  }

  export interface Message {
    readonly attempts: number;
    /** A view of a larger buffer. */
    readonly body: Buffer;
    readonly hasResponded: boolean;
    /** Milliseconds. */
    readonly msgTimeout: number;
    finish(): void;
    /** @param backoff whether the reader takes nothing else for a while */
    requeue(delayMs: number, backoff: boolean): void;
    touch(): void;
  }
}
