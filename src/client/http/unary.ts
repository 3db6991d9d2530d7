import type { Codecs } from '../../codec/codecs.js';
import type { Follower } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { pack } from '../../core/grpc-compression.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import { EMPTY } from '../../core/message.js';
import type { ClientCall } from '../calling/client-call.js';
import type { Outcome } from '../calling/outcome.js';
import type { Cuttable, RequestHead, WholeAnswer, WholeAsker, WholeConnections } from './asking.js';
import { pathOf, type Target } from './target.js';
import {
  AnswerHeaders,
  callHeaders,
  encodingOf,
  errorOf,
  readReply,
  unpacked,
  type Encoding,
} from './wire.js';

/** How calls are written. */
export interface Writing {
  readonly codecs: Codecs;
  readonly maxMessageBytes: number;
  /** Whether idempotent calls may be asked by GET. */
  readonly get: boolean;
  /** From how many bytes on requests are packed; `Infinity` for never. */
  readonly compressBytes: number;
}

const PROTOCOL = ['connect-protocol-version', '1'];
const JSON_HEADERS = ['content-type', 'application/json', ...PROTOCOL];
const PROTO_HEADERS = ['content-type', 'application/proto', ...PROTOCOL];
const NONE: readonly string[] = [];
/** Servers pack for who asks for it. */
const ACCEPTS = ['accept-encoding', 'gzip'];

/** Characters of a path with its query; what is longer goes in a body. */
const LONGEST_PATH = 4_096;

/** One attempt of a call that is no stream, in the Connect protocol. Source: connectrpc.com/docs/protocol, Unary-Request. */
export class Unary implements WholeAsker, Follower {
  readonly call: ClientCall;
  readonly #writing: Writing;
  readonly #connections: WholeConnections;
  readonly #target: Target;
  readonly #outcome: Outcome;
  #encoding: Encoding | undefined;
  #asked: Cuttable | undefined;
  #over = false;

  constructor(
    writing: Writing,
    connections: WholeConnections,
    call: ClientCall,
    target: Target,
    outcome: Outcome,
  ) {
    this.call = call;
    this.#writing = writing;
    this.#connections = connections;
    this.#target = target;
    this.#outcome = outcome;
  }

  start(): void {
    const { call } = this;
    call.attempting = this;
    try {
      const { codecs, compressBytes } = this.#writing;
      const encoding = encodingOf(codecs, call.contentType);
      this.#encoding = encoding;
      const { service, endpoint, request, method } = call;
      const body = encoding.codec.write(
        { kind: 'request', id: '', service, endpoint },
        request,
        method?.request,
      );
      call.context.meter?.sent(body.length);
      call.context.follow(this);
      call.waitsFor('a connection to', this.#target.shown);
      if (body.length < compressBytes) return this.#ask(body, false);
      this.#then(pack('gzip', body), (packed) => this.#ask(packed, true));
    } catch (reason) {
      this.#fail(reason);
    }
  }

  connected(): void {
    this.call.waitsFor('the reply of', this.#target.shown);
  }

  wholly({ status, headers: pairs, body }: WholeAnswer): void {
    const headers = new AnswerHeaders({ headers: pairs });
    try {
      const encoding = headers.get('content-encoding');
      if (encoding === undefined) return this.#read(status, headers, body);
      this.#then(unpacked(encoding, body, this.#writing.maxMessageBytes), (plain) =>
        this.#read(status, headers, plain),
      );
    } catch (reason) {
      this.#fail(reason);
    }
  }

  failed(error: OctavoError): void {
    this.#fail(error);
  }

  cancelled(reason: OctavoError): void {
    this.#fail(reason);
  }

  #ask(body: Uint8Array, packed: boolean): void {
    if (this.#over) return;
    const get = this.#byGet(body, packed);
    const asked = this.#connections.call(
      this.#target,
      get ?? this.#byPost(packed),
      get === undefined ? body : EMPTY,
      this,
    );
    this.#then(asked, (cuttable) => {
      if (this.#over) cuttable.cut();
      else this.#asked = cuttable;
    });
  }

  #byPost(packed: boolean): RequestHead {
    const fixed = this.#name === 'json' ? JSON_HEADERS : PROTO_HEADERS;
    const packing = packed ? [...this.#accepts, 'content-encoding', 'gzip'] : this.#accepts;
    const headers = callHeaders(this.call, packing.length === 0 ? fixed : [...fixed, ...packing]);
    return { method: 'POST', path: pathOf(this.call), headers };
  }

  /** What may be asked twice may be asked by GET, so that caches on the way can answer. */
  #byGet(body: Uint8Array, packed: boolean): RequestHead | undefined {
    if (!this.#writing.get || !this.call.idempotent) return undefined;
    const text = !packed && this.#name === 'json';
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    const message = text ? encodeURIComponent(bytes.toString().trimEnd()) : bytes.toString('base64url');
    const query = `?connect=v1&encoding=${this.#name}${text ? '' : '&base64=1'}${packed ? '&compression=gzip' : ''}`;
    const path = `${pathOf(this.call)}${query}&message=${message}`;
    if (path.length > LONGEST_PATH) return undefined;
    return { method: 'GET', path, headers: callHeaders(this.call, this.#accepts) };
  }

  get #accepts(): readonly string[] {
    return this.#writing.compressBytes < Infinity ? ACCEPTS : NONE;
  }

  get #name(): string {
    return this.#encoding?.name ?? '';
  }

  #read(status: number, headers: AnswerHeaders, body: Buffer): void {
    const { call } = this;
    if (this.#over || this.#encoding === undefined) return;
    let reply: unknown;
    try {
      const { contentType } = headers;
      headers.show(call, { last: true });
      if (status !== 200 || contentType !== `application/${this.#name}`)
        throw errorOf(this.#target, call, status, { headers, body });
      reply = readReply(call, this.#encoding, body);
    } catch (reason) {
      return this.#fail(reason, false);
    }
    this.#end();
    this.#outcome.succeed({ body: reply });
  }

  /** Goes on with what may have to be waited for. */
  #then<T>(value: MaybePromise<T>, go: (value: T) => void): void {
    if (!isPromise(value)) return go(value);
    value.then(go).catch((reason: unknown) => this.#fail(reason));
  }

  #fail(reason: unknown, cut = true): void {
    if (this.#over) return;
    this.#end();
    if (cut) this.#asked?.cut();
    this.#outcome.fail(reason);
  }

  #end(): void {
    const { call } = this;
    this.#over = true;
    call.context.leave(this);
    if (call.attempting === this) call.attempting = undefined;
  }
}
