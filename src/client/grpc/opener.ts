import { OctavoError } from '../../core/error.js';
import type { GrpcEncoding } from '../../core/grpc-compression.js';
import { COMPRESSED, type FrameLimits } from '../../core/grpc-frames.js';
import type { Http2Dialler } from '../../core/http2/dial.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import type { PoolOptions } from '../../core/pool.js';
import type { Node } from '../../registry/registry.js';
import type { ClientCall } from '../calling/client-call.js';
import { isGoMicro } from '../calling/nodes.js';
import type { Messages } from './messages.js';
import { ReplyWire, type ReplyOwner } from './reply-wire.js';
import { requestHeaders, type GrpcDialect } from './request.js';
import type { Slot } from './slot.js';

export interface OpenerParts {
  readonly dialler: Http2Dialler<Slot>;
  readonly messages: Messages;
  readonly pool: PoolOptions;
  readonly dialTimeoutMs: number;
  readonly maxMessageBytes: number;
  readonly encoding: GrpcEncoding | undefined;
  /** How others are spoken to that do not say who they are. */
  readonly dialect: GrpcDialect;
  readonly secure: boolean;
}

/** Opens calls, each on a connection to its node. */
export class Opener {
  readonly messages: Messages;
  readonly #parts: OpenerParts;
  readonly #limits: FrameLimits;

  constructor(parts: OpenerParts) {
    this.#parts = parts;
    this.messages = parts.messages;
    this.#limits = { maxBytes: parts.maxMessageBytes, flags: COMPRESSED };
  }

  /** Room on a connection to a node, at once where there is one. */
  dial(call: ClientCall, { address, metadata }: Node): MaybePromise<Slot> {
    const { dialler, dialTimeoutMs, pool, secure } = this.#parts;
    const { context } = call;
    if (metadata['secure'] === 'true' && !secure)
      throw new OctavoError(
        'unavailable',
        `${address} takes TLS only, as its node says: give the grpc client the option tls`,
        { executed: false },
      );
    call.waitsFor('a connection to', address);
    const dialled = dialler.dial(address, { timeoutMs: dialTimeoutMs, pool, cancellation: context });
    if (!isPromise(dialled)) return dialled;
    return dialled.then((slot) => {
      if (context.cancelled === undefined) return slot;
      slot.leave();
      throw context.cancelled;
    });
  }

  /** Sends the headers of a call. */
  open(slot: Slot, call: ClientCall, node: Node, owner: ReplyOwner): ReplyWire {
    const { encoding, secure } = this.#parts;
    const { session } = slot;
    if (call.peer?.octavo === true) session.patient = true;
    const dialect = isGoMicro(node) ? 'go-micro' : call.peer?.octavo === true ? 'grpc' : this.#parts.dialect;
    const scheme = secure ? 'https' : 'http';
    const stream = slot.open(() =>
      requestHeaders(call, { remote: session.remote, scheme, dialect, encoding }),
    );
    call.waitsFor(call.kind === 'unary' ? 'the reply of' : 'the stream from', node.address);
    return new ReplyWire(session, stream, owner, this.#limits);
  }
}
