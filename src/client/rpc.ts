import { isPromise, type MaybePromise } from '../core/lifecycle.js';
import { OctavoError } from '../core/error.js';
import type { Provider } from '../core/provider.js';
import type { Node } from '../registry/registry.js';
import { Transport, type Socket } from '../transport/transport.js';
import type { Reply } from '../wrapper/wrapper.js';
import type { ClientCall } from './calling/client-call.js';
import { codecFor } from './calling/codec-for.js';
import { isGoMicro } from './calling/nodes.js';
import { tell, type Outcome } from './calling/outcome.js';
import { CallingClient, callingParts, type CallingClientParts } from './calling-client.js';
import type { Client, ClientOptions } from './client.js';
import { ClientDefaults } from './client-defaults.js';
import { Exchange } from './rpc/exchange.js';
import { Unary, type UnaryParts } from './rpc/unary.js';
import { readReply } from './rpc/wire.js';

/** What the rpc client stands on. */
export interface RpcClientParts extends CallingClientParts {
  readonly transport: Transport;
}

/** Calls services by go-micro's rpc protocol, mucp, on whatever transport there is. */
export class RpcClient extends CallingClient {
  readonly name = 'rpc';
  readonly #parts: RpcClientParts;
  readonly #unary: UnaryParts;
  #sequence = 0;

  constructor(options: ClientOptions, parts: RpcClientParts) {
    super(options, parts);
    this.#parts = parts;
    this.#unary = { codecs: parts.codecs, dial: (call, node) => this.#dial(call, node, false) };
  }

  /** Nodes on this transport, and those that do not say what they are on. */
  protected speaks({ metadata }: Node): boolean {
    const { name } = this.#parts.transport;
    return (metadata['protocol'] ?? 'mucp') === 'mucp' && (metadata['transport'] ?? name) === name;
  }

  protected send(call: ClientCall, node: Node, outcome: Outcome): void {
    const id = String(this.#sequence++);
    if (call.kind === 'unary') new Unary(this.#unary, call, node, outcome).start(id);
    else tell(outcome, () => this.#open(call, node, id));
  }

  /** Opens a stream. Its items come as they are asked for. */
  async #open(call: ClientCall, node: Node, id: string): Promise<Reply> {
    const { codecs } = this.#parts;
    const codec = codecFor(codecs, call.contentType);
    let cut: OctavoError | undefined;
    call.attempting = { cancelled: (reason) => (cut = reason) };
    const socket = await this.#dial(call, node, true);
    if (cut !== undefined) {
      socket.close(cut);
      throw cut;
    }
    call.waitsFor('the stream from', node.address);
    const octavo = call.peer?.octavo || (isGoMicro(node) ? false : undefined);
    const exchange = new Exchange({
      call,
      socket,
      codec,
      id,
      octavo,
      keepaliveMs: this.options.keepaliveMs,
      read: (message) => readReply(codecs, call, message, call.method?.reply),
      onEnd: (error) => call.end(error),
    });
    await exchange.open();
    return { body: exchange };
  }

  /** A connection, at once where one is free. */
  #dial(call: ClientCall, node: Node, stream: boolean): MaybePromise<Socket> {
    const { context } = call;
    call.waitsFor('a connection to', node.address);
    const dialled = this.#parts.transport.dial(node.address, {
      stream,
      idempotent: call.idempotent,
      timeoutMs: this.options.dialTimeoutMs,
      pool: this.pool,
      cancellation: context,
      secure: node.metadata['secure'] === 'true',
    });
    if (!isPromise(dialled)) return dialled;
    return dialled.then((socket) => {
      if (context.cancelled === undefined) return socket;
      socket.close(context.cancelled);
      throw context.cancelled;
    });
  }
}

/** Calls by go-micro's rpc protocol. */
export function rpc(options: ClientOptions = {}): Provider<Client> {
  return (resolve) =>
    new RpcClient(
      { ...resolve(ClientDefaults).options, ...options },
      { transport: resolve(Transport), ...callingParts(resolve) },
    );
}
