import { defined } from '../core/defined.js';
import { OctavoError } from '../core/error.js';
import type { Provider } from '../core/provider.js';
import { MESSAGE_LIMITS, Transport, type Listener, type Probes } from '../transport/transport.js';
import { DispatchingServer, dispatchingParts, type DispatchingServerParts } from './dispatching-server.js';
import { Intake } from './rpc/intake.js';
import type { Server, ServerOptions } from './server.js';
import { ServerDefaults } from './server-defaults.js';

/** What the rpc server stands on. */
export interface RpcServerParts extends DispatchingServerParts {
  readonly transport: Transport;
}

/** Serves go-micro's rpc protocol, mucp, on whatever transport there is. */
export class RpcServer extends DispatchingServer {
  readonly name = 'rpc';
  protected readonly facts;
  readonly #parts: RpcServerParts;
  #intake: Intake | undefined;

  constructor(options: ServerOptions, parts: RpcServerParts) {
    super(options, parts);
    this.#parts = parts;
    this.facts = { transport: parts.transport.name, server: 'mucp', protocol: 'mucp' };
  }

  protected override get foreign(): boolean {
    return this.#intake?.foreign === true;
  }

  protected enter(address: string, probes: Probes): Promise<Listener> {
    this.#checkStreams();
    const { dispatcher, subscriptions, service, options: times } = this;
    const { maxMessageBytes = MESSAGE_LIMITS.maxMessageBytes } = this.#parts.transport.options;
    const parts = { ...this.#parts, service, dispatcher, subscriptions, times, maxMessageBytes };
    const intake = new Intake(parts);
    this.#intake = intake;
    return this.#parts.transport.listen(address, (socket) => intake.take(socket), { probes });
  }

  #checkStreams(): void {
    const { transport } = this.#parts;
    // Those of the framework's own are left out where they cannot be called.
    const stream = this.dispatcher.endpoints.find(
      ({ method }) => method.kind !== 'unary' && method.options.internal !== true,
    );
    if (transport.streams || stream === undefined) return;
    throw new OctavoError(
      'failed_precondition',
      `${stream.method.endpoint} is a stream, which the ${transport.name} transport cannot carry: use another transport`,
    );
  }
}

/** Serves go-micro's rpc protocol. */
export function rpc(options: ServerOptions = {}): Provider<Server> {
  return (resolve) =>
    new RpcServer(
      { ...resolve(ServerDefaults).options, ...defined(options) },
      { transport: resolve(Transport), ...dispatchingParts(resolve) },
    );
}
