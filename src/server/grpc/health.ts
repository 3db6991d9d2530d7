import type { Context } from '../../core/context.js';
import { OctavoError } from '../../core/error.js';
import { declareField, declareMessage } from '../../schema/declaration.js';
import { protoEnum } from '../../schema/proto-enum.js';
import type { Endpoint } from '../server.js';

// The health checking protocol of gRPC, by its messages. Source: grpc `grpc/health/v1/health.proto`.

const PACKAGE = 'grpc.health.v1';

const ServingStatus = protoEnum(`${PACKAGE}.ServingStatus`, {
  UNKNOWN: 0,
  SERVING: 1,
  NOT_SERVING: 2,
  SERVICE_UNKNOWN: 3,
});

class HealthCheckRequest {
  service = '';
}

class HealthCheckResponse {
  status = 0;
}

declareMessage(HealthCheckRequest, `${PACKAGE}.HealthCheckRequest`, []);
declareField(HealthCheckRequest.prototype, {
  property: 'service',
  id: 1,
  label: 'single',
  type: 'string',
  optional: false,
});
declareMessage(HealthCheckResponse, `${PACKAGE}.HealthCheckResponse`, []);
declareField(HealthCheckResponse.prototype, {
  property: 'status',
  id: 1,
  label: 'single',
  type: ServingStatus,
  optional: false,
});

/** Answers `grpc.health.v1.Health`: the whole server is `''`, and each of its services has the same state. */
export class Health {
  readonly #services: () => ReadonlySet<string>;
  readonly #watchers = new Set<() => void>();
  readonly #callers = new Set<Context>();
  #serving = false;

  /** @param services the full names of those that there are */
  constructor(services: () => ReadonlySet<string>) {
    this.#services = services;
  }

  get endpoints(): readonly Endpoint[] {
    const types = { request: HealthCheckRequest, reply: HealthCheckResponse, package: '' };
    const endpoint = `${PACKAGE}.Health`;
    return [
      {
        method: {
          ...types,
          property: 'check',
          endpoint: `${endpoint}.Check`,
          kind: 'unary',
          options: { internal: true, idempotent: true },
        },
        // What the endpoint reads is what it declares.
        handler: (request) => this.#check(request as HealthCheckRequest),
        wrappers: [],
      },
      {
        method: {
          ...types,
          property: 'watch',
          endpoint: `${endpoint}.Watch`,
          kind: 'server',
          options: { internal: true, stream: 'server', idleMs: 0 },
        },
        handler: (request, context) => this.#watch(request as HealthCheckRequest, context),
        wrappers: [],
      },
    ];
  }

  /** Ends what callers keep open, which a server that stops would wait for. */
  end(reason: OctavoError): void {
    for (const context of [...this.#callers]) context.cancel(reason);
  }

  /** Says whether calls may be sent here, and tells those who watch. */
  turn(serving: boolean): void {
    if (this.#serving === serving) return;
    this.#serving = serving;
    for (const wake of [...this.#watchers]) wake();
  }

  #check({ service }: HealthCheckRequest): HealthCheckResponse {
    const status = this.#statusOf(service);
    if (status !== ServingStatus.SERVICE_UNKNOWN) return { status };
    throw new OctavoError('not_found', `no service "${service}" is served here`);
  }

  /** Gives the state now, and each that comes, until the caller leaves. */
  async *#watch({ service }: HealthCheckRequest, context: Context): AsyncIterable<HealthCheckResponse> {
    this.#callers.add(context);
    try {
      let told: number | undefined;
      while (context.cancelled === undefined) {
        const status = this.#statusOf(service);
        if (status !== told) yield { status };
        told = status;
        if (status === this.#statusOf(service)) await this.#change(context);
      }
    } finally {
      this.#callers.delete(context);
    }
  }

  /** Waits until something changes, or nobody waits any more. */
  async #change(context: Context): Promise<void> {
    let wake = (): void => {};
    const changed = new Promise<void>((resolve) => (wake = resolve));
    this.#watchers.add(wake);
    const forget = context.onCancel(wake);
    await changed;
    this.#watchers.delete(wake);
    forget();
  }

  #statusOf(service: string): number {
    if (service !== '' && !this.#services().has(service)) return ServingStatus.SERVICE_UNKNOWN;
    return this.#serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }
}
