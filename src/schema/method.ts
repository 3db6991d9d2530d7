import type { Access } from './access.js';
import type { MessageType } from './message-type.js';

/** Which side of a call is a stream: neither, the reply, the request, or both. */
export type StreamKind = 'unary' | 'server' | 'client' | 'bidi';

/** What `@Handler` says beside the types. */
export interface MethodOptions {
  /** Which side is a stream. @defaultValue `'unary'` */
  readonly stream?: Exclude<StreamKind, 'unary'>;
  /** For how long a call may take, in milliseconds. @defaultValue 5,000 for unary calls, for ever for streams */
  readonly timeoutMs?: number;
  /** For how long a stream may carry no item either way, in milliseconds; `0` is for ever. @defaultValue the server's `streamIdleMs` */
  readonly idleMs?: number;
  /** Whether doing it twice is doing it once, so that a call which may have been executed can be tried again. @defaultValue `false` */
  readonly idempotent?: boolean;
  /** Shown in the registry. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Whether it is left out of the registry. @defaultValue `false` */
  readonly internal?: boolean;
}

/** The verbs of HTTP that a REST route may have. */
export type HttpVerb = 'GET' | 'DELETE' | 'POST' | 'PUT' | 'PATCH';

/** A way to an endpoint that is not its own path. */
export interface HttpRoute {
  readonly verb: HttpVerb;
  /** `/hello/:name`, where `name` is a field of the request. */
  readonly path: string;
}

/** One endpoint as both sides know it. */
export interface Method {
  /** The method's name in the class: `hello`. */
  readonly property: string;
  /** Its name on the wire: `Greeter.Hello`. */
  readonly endpoint: string;
  /** The proto package of its service, which with the endpoint makes gRPC's path: `/greeter.Greeter/Hello`. */
  readonly package: string;
  readonly kind: StreamKind;
  readonly request: MessageType;
  readonly reply: MessageType;
  readonly options: MethodOptions;
  /** What `@Http` says. */
  readonly routes?: readonly HttpRoute[];
  /** Who may call it, as `@Allow` and `@Public` say; a wrapper such as `jwt` holds calls to it. */
  readonly access?: Access | undefined;
}
