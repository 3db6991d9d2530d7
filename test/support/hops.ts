import { ClientOf, Field, Handler, Message, Service } from '../../decorators/index.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import type { CallOptions } from '../../src/client/client.js';
import type { ClientShape } from '../../src/client/proxy.js';
import { rpc } from '../../src/client/rpc.js';
import type { Context } from '../../src/core/context.js';
import { unimplemented } from '../../src/core/unimplemented.js';
import { memory as memoryRegistry, MemoryWorld } from '../../src/registry/memory.js';
import type { ServiceClass } from '../../src/schema/service-declaration.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { http } from '../../src/transport/http.js';
import { Signal } from '../conformance/probe.js';

// Three services that stand behind each other: every call goes through all of them.

@Message('hops.Ask')
export class Ask {
  @Field(1, 'string') text = '';
  @Field(2, 'int32') count = 0;
}

@Message('hops.Told')
export class Told {
  @Field(1, 'string') text = '';
  @Field(2, 'int32') count = 0;
}

/** A method of each kind. */
@Service({ name: 'first', endpoint: 'Hop' })
class First {
  @Handler(Ask, Told)
  ask(_ask: Ask, _context: Context): Promise<Told> {
    return unimplemented();
  }
  @Handler(Ask, Told, { stream: 'server' })
  list(_ask: Ask, _context: Context): AsyncIterable<Told> {
    return unimplemented();
  }
  @Handler(Ask, Told, { stream: 'client' })
  gather(_asks: AsyncIterable<Ask>, _context: Context): Promise<Told> {
    return unimplemented();
  }
  @Handler(Ask, Told, { stream: 'bidi' })
  talk(_asks: AsyncIterable<Ask>, _context: Context): AsyncIterable<Told> {
    return unimplemented();
  }
}

@Service({ name: 'second', endpoint: 'Hop' })
class Second extends First {}

@Service({ name: 'third', endpoint: 'Hop' })
class Third extends First {}

export class FirstClient extends ClientOf(First) {}
class SecondClient extends ClientOf(Second) {}
class ThirdClient extends ClientOf(Third) {}

/** A handler that runs, as a test sees it. */
export class Visit {
  readonly context: Context;
  /** What was left when it began, in milliseconds. */
  readonly remainingMs: number;
  /** When `context.signal` fired, as `performance.now()` counts. */
  readonly fired: Promise<number>;

  constructor(context: Context) {
    this.context = context;
    this.remainingMs = context.remainingMs;
    this.fired = new Promise((resolve) => {
      context.signal.addEventListener('abort', () => resolve(performance.now()));
    });
  }
}

/** What all hops do: they say who comes, and count who is there. */
class Visited {
  readonly visits = new Signal<Visit>();
  /** How many handlers began. */
  entered = 0;
  /** How many handlers run. */
  running = 0;

  protected async one<T>(context: Context, run: () => Promise<T>): Promise<T> {
    this.#enter(context);
    try {
      return await run();
    } finally {
      this.running--;
    }
  }

  protected async *many<T>(context: Context, run: () => AsyncIterable<T>): AsyncIterable<T> {
    this.#enter(context);
    try {
      yield* run();
    } finally {
      this.running--;
    }
  }

  #enter(context: Context): void {
    this.entered++;
    this.running++;
    this.visits.fire(new Visit(context));
  }
}

/** Hands every call on. */
class Relay extends Visited implements First {
  readonly #next: ClientShape<First>;
  /** What it does before it hands a call on. */
  before: () => Promise<void> = async () => {};
  /** What it says of the calls that it makes. */
  options: CallOptions = {};

  constructor(next: ClientShape<First>) {
    super();
    this.#next = next;
  }

  async ask(ask: Ask, context: Context): Promise<Told> {
    return this.one(context, async () => {
      await this.before();
      return this.#next.ask(ask, this.options);
    });
  }

  list(ask: Ask, context: Context): AsyncIterable<Told> {
    return this.many(context, () => this.#relayed(() => this.#next.list(ask, this.options)));
  }

  async gather(asks: AsyncIterable<Ask>, context: Context): Promise<Told> {
    return this.one(context, async () => {
      await this.before();
      return this.#next.gather(asks, this.options);
    });
  }

  talk(asks: AsyncIterable<Ask>, context: Context): AsyncIterable<Told> {
    return this.many(context, () => this.#relayed(() => this.#next.talk(asks, this.options)));
  }

  async *#relayed(replies: () => AsyncIterable<Told>): AsyncIterable<Told> {
    await this.before();
    yield* replies();
  }
}

@Service(First)
export class FirstRelay extends Relay {
  constructor(next: SecondClient) {
    super(next);
  }
}

@Service(Second)
export class SecondRelay extends Relay {
  constructor(next: ThirdClient) {
    super(next);
  }
}

/** The end of the way. What it does is in what it gets: `wait` until the call is cancelled, `flood`, `fail`, or answer. */
@Service(Third)
export class LastHop extends Visited implements First {
  /** How many messages it has sent or received on streams. */
  messages = 0;
  /** Makes what it throws. */
  failure: () => unknown = () => new Error('no test said what to throw');

  async ask({ text, count }: Ask, context: Context): Promise<Told> {
    return this.one(context, async () => {
      await this.#act(text, context);
      return told(text, count);
    });
  }

  list({ text, count }: Ask, context: Context): AsyncIterable<Told> {
    return this.many(context, () => this.#list(text, count, context));
  }

  async gather(asks: AsyncIterable<Ask>, context: Context): Promise<Told> {
    return this.one(context, async () => {
      let sum = 0;
      for await (const { text, count } of asks) {
        this.messages++;
        sum += count;
        await this.#act(text, context);
      }
      return told('sum', sum);
    });
  }

  talk(asks: AsyncIterable<Ask>, context: Context): AsyncIterable<Told> {
    return this.many(context, () => this.#talk(asks, context));
  }

  async *#list(text: string, count: number, context: Context): AsyncIterable<Told> {
    const most = text.startsWith('flood') ? Infinity : count;
    for (let n = 1; n <= most; n++) {
      this.messages++;
      yield told(text, n);
    }
    await this.#act(text, context);
  }

  async *#talk(asks: AsyncIterable<Ask>, context: Context): AsyncIterable<Told> {
    for await (const { text, count } of asks) {
      this.messages++;
      yield told(text, count);
      await this.#act(text, context);
    }
  }

  async #act(text: string, { signal }: Context): Promise<void> {
    if (text.startsWith('fail')) throw this.failure();
    if (!text.startsWith('wait')) return;
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  }
}

function told(text: string, count: number): Told {
  return Object.assign(new Told(), { text, count });
}

/** The three services, each with a stack of its own on sockets, and a caller of the first. */
export interface Chain {
  readonly caller: FirstClient;
  readonly first: FirstRelay;
  readonly second: SecondRelay;
  readonly third: LastHop;
  /** Stops the third service. */
  readonly cut: () => Promise<void>;
  readonly logs: TestLogger;
}

export interface ChainOptions extends Pick<ServiceOptions, 'clock'> {
  /** What the relays pass on. */
  readonly forward?: readonly string[];
}

/** Runs a test on a chain, and stops all of it. */
export async function withChain(
  run: (chain: Chain) => Promise<void>,
  { forward, clock }: ChainOptions = {},
): Promise<void> {
  const world = new MemoryWorld();
  const logs = new TestLogger();
  const make = (...services: ServiceClass[]): ReturnType<typeof createService> =>
    createService({
      services,
      registry: memoryRegistry({ world }),
      broker: memoryBroker(),
      transport: http(),
      client: rpc({ ...(forward && { forward }) }),
      logger: () => logs,
      env: {},
      ...(clock && { clock }),
    });
  const [third, second, first, caller] = [make(LastHop), make(SecondRelay), make(FirstRelay), make()];
  const all = [third, second, first, caller];
  try {
    for (const each of all) await each.start();
    await run({
      caller: caller.resolve(FirstClient),
      first: first.resolve(FirstRelay),
      second: second.resolve(SecondRelay),
      third: third.resolve(LastHop),
      cut: () => third.stop(),
      logs,
    });
  } finally {
    for (const each of all.toReversed()) await each.stop();
  }
}
