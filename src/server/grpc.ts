import { defined } from '../core/defined.js';
import { OctavoError } from '../core/error.js';
import { noteExposure } from '../core/exposure.js';
import { Door } from '../core/http2/door.js';
import type { Provider } from '../core/provider.js';
import { Refusals } from '../core/refusals.js';
import { Certificates, shownTls, type Tls } from '../core/tls.js';
import type { Method } from '../schema/method.js';
import { MESSAGE_LIMITS, type MessageLimits } from '../transport/transport.js';
import {
  DispatchingServer,
  dispatchingParts,
  type DispatchingServerParts,
  type Entrance,
} from './dispatching-server.js';
import { Dialects } from './grpc/dialect.js';
import { Health } from './grpc/health.js';
import { GrpcIntake } from './grpc/intake.js';
import { grpcName, grpcPaths } from './grpc/names.js';
import { Reflection } from './grpc/reflection.js';
import type { Server, ServerOptions } from './server.js';
import { ServerDefaults } from './server-defaults.js';

export interface GrpcServerOptions extends ServerOptions, MessageLimits {
  /** Speaks TLS, and nothing else, with everybody. @defaultValue plain text */
  readonly tls?: Tls;
  /** Whether `grpc.health.v1.Health` is answered. @defaultValue `true` */
  readonly health?: boolean;
  /** Whether `grpc.reflection.v1.ServerReflection` is answered, and its `v1alpha`, so that tools know the contract. @defaultValue `true` */
  readonly reflection?: boolean;
  /** Whether replies from 1 KiB on are packed for callers that can unpack them. @defaultValue `false` */
  readonly gzip?: boolean;
  /** How many calls one connection carries at once; callers hold back what is more. @defaultValue `1_000` */
  readonly maxConcurrentStreams?: number;
  /** How much of one call the other end may send before it is read, in bytes; one message may be longer. @defaultValue 256 KiB */
  readonly windowBytes?: number;
  /** How many connections are open at once; more are closed as they come. @defaultValue `10_000` */
  readonly maxConnections?: number;
  /** For how long a new connection may take to speak HTTP/2, in milliseconds; `0` is for ever. @defaultValue `10_000` */
  readonly headerTimeoutMs?: number;
  /** For how long a caller may leave a message half sent, or one of ours untaken, in milliseconds; `0` is for ever. @defaultValue `60_000` */
  readonly timeoutMs?: number;
  /** For how long a connection is kept that carries no call, in milliseconds; `0` is for ever. @defaultValue `300_000` */
  readonly idleMs?: number;
}

const DEFAULTS = {
  ...MESSAGE_LIMITS,
  health: true,
  reflection: true,
  gzip: false,
  maxConcurrentStreams: 1_000,
  windowBytes: 256 * 1024,
  maxConnections: 10_000,
  headerTimeoutMs: 10_000,
  timeoutMs: 60_000,
  idleMs: 300_000,
};

/** Serves gRPC itself: each endpoint at `/package.Service/Method`, and at `/service.Service/Method` as go-micro's clients call it. */
export class GrpcServer extends DispatchingServer {
  readonly name = 'grpc';
  protected readonly facts = { transport: 'grpc', server: 'grpc', protocol: 'grpc' };
  readonly #settings: typeof DEFAULTS;
  readonly #parts: DispatchingServerParts;
  readonly #certificates: Certificates | undefined;
  readonly #health = new Health(() => new Set(this.#methods().map((method) => grpcName(method).service)));
  readonly #reflection = new Reflection(() => this.#methods());
  #intake: GrpcIntake | undefined;

  constructor(options: GrpcServerOptions, parts: DispatchingServerParts) {
    const { tls, ...others } = options;
    super(tls === undefined ? options : { ...others, tls: shownTls(tls) }, parts);
    this.#parts = parts;
    this.#settings = { ...DEFAULTS, ...defined(others) };
    this.#certificates = tls && new Certificates('the grpc server', tls, parts);
    const { health, reflection } = this.#settings;
    for (const endpoint of health ? this.#health.endpoints : []) this.dispatcher.add(endpoint);
    for (const endpoint of reflection ? this.#reflection.endpoints : []) this.dispatcher.add(endpoint);
  }

  protected override get foreign(): boolean {
    return this.#intake?.foreign === true;
  }

  protected override turned(ready: boolean): void {
    this.#health.turn(ready);
  }

  protected async enter(address: string): Promise<Entrance> {
    const { clock, logger, codecs } = this.#parts;
    const { maxConcurrentStreams, maxHeaderBytes, maxHeaders, gzip } = this.#settings;
    const { dispatcher, service } = this;
    const certificates = this.#certificates;
    const intake = new GrpcIntake({
      dispatcher,
      dialects: new Dialects(codecs, service),
      paths: grpcPaths(
        dispatcher.endpoints.map(({ method }) => method),
        service,
      ),
      clock,
      limits: this.#settings,
      streamIdleMs: this.options.streamIdleMs,
      gzip,
    });
    this.#intake = intake;
    await certificates?.start();
    const door = await Door.open(
      address,
      {
        ...this.#settings,
        keepaliveMs: this.options.keepaliveMs,
        maxStreams: maxConcurrentStreams,
        headerBytes: maxHeaderBytes,
        headerPairs: maxHeaders,
      },
      {
        who: 'the grpc server',
        tlsRemedy: 'give the grpc client of the caller the option tls',
        clock,
        refusals: new Refusals(clock, logger),
        certificates,
        serve: (opened) => intake.take(opened),
      },
    );
    if (certificates === undefined) noteExposure('the grpc server', door.address, logger);
    return {
      address: door.address,
      secure: door.secure,
      accepted: () => door.connections,
      drain: () => {
        const reason = new OctavoError('unavailable', `${service} is stopping`);
        this.#health.end(reason);
        this.#reflection.end(reason);
        door.leave();
      },
      close: async () => {
        await door.finish();
        certificates?.stop();
      },
    };
  }

  /** What others may know of: the service's own endpoints, health and reflection. */
  #methods(): readonly Method[] {
    return this.dispatcher.endpoints
      .map(({ method }) => method)
      .filter(({ options, package: pack }) => options.internal !== true || pack === '');
  }
}

/** Serves gRPC. */
export function grpc(options: GrpcServerOptions = {}): Provider<Server> {
  return (resolve) =>
    new GrpcServer({ ...resolve(ServerDefaults).options, ...defined(options) }, dispatchingParts(resolve));
}
