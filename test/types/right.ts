// What must compile.
import {
  Any,
  ClientOf,
  type Context,
  Field,
  Handler,
  type HandlersOf,
  type Init,
  type JsonObject,
  type JsonValue,
  Injectable,
  MapField,
  Message,
  PublisherOf,
  Repeated,
  Service,
  Subscribe,
  topic,
  unimplemented,
  Wrap,
  type Wrapper,
} from '../../src/index.js';
import { TestApp, fakeClient } from '../../src/testing/index.js';

@Message('right.Ask')
export class Ask {
  @Field(1, 'string') text = '';
  @Field(2, 'int32', { optional: true }) count?: number;
}

@Message('right.Told')
export class Told {
  @Field(1, 'string') text = '';
}

@Message('right.Loose')
export class Loose {
  @Field(1, 'google.protobuf.Struct') object?: JsonObject;
  @Field(2, 'google.protobuf.Value') value?: JsonValue;
  @Field(3, 'google.protobuf.ListValue') list?: JsonValue[];
  @Field(4, 'google.protobuf.NullValue') none: null = null;
  @Field(5, Any.of(Ask, () => Told)) any?: Any;
  @Repeated(6, Any) anys: Any[] = [];
  @MapField(7, 'string', Any.of(Ask)) named = new Map<string, Any>();
  @Repeated(8, 'google.protobuf.Value') values: JsonValue[] = [];
}

export const loose: Init<Loose> = {
  object: { a: [1, null, { b: 'x' }] },
  value: null,
  list: [1, [true]],
  any: Any.pack({ text: 'x' }, Ask),
  anys: [{ typeUrl: 'x', value: new Uint8Array() }, Any.pack(new Told())],
  named: { a: Any.pack(new Date(), 'google.protobuf.Timestamp') },
  values: [null, 1],
};
export const asked: Ask = new Any().unpack(Ask);
export const time: Date = new Any().unpack('google.protobuf.Timestamp');

const Asks = topic('asks', Ask);
const nothing: Wrapper = (call, next) => next(call);

@Service({ name: 'right' })
@Wrap(nothing)
export class Right {
  @Handler(Ask, Told)
  async whole(ask: Ask, _context: Context): Promise<Told> {
    return { text: ask.text };
  }

  @Handler(Ask, Told, { timeoutMs: 5, idempotent: true })
  async partial(): Promise<Init<Told>> {
    return {};
  }

  @Handler(Ask, Told, { stream: 'server' })
  @Wrap(nothing)
  async *server(_ask: Ask): AsyncIterable<Told> {}

  @Handler(Ask, Told, { stream: 'client' })
  client(_asks: AsyncIterable<Ask>): Promise<Told> {
    return unimplemented();
  }

  @Handler(Ask, Told, { stream: 'bidi' })
  bidi(_asks: AsyncIterable<Ask>): AsyncIterable<Told> {
    return unimplemented();
  }

  @Subscribe(Asks, { queue: 'q', retry: { attempts: 2 } })
  async onAsk(_ask: Ask): Promise<void> {}

  @Subscribe('asks', Ask)
  onAskToo(_ask: Ask): void {}

  helper(): number {
    return 1;
  }
}

@Service({ name: 'contract' })
export class Contract {
  @Handler(Ask, Told)
  one(_ask: Ask): Promise<Told> {
    return unimplemented();
  }

  @Handler(Ask, Told, { stream: 'bidi' })
  many(_asks: AsyncIterable<Ask>): AsyncIterable<Told> {
    return unimplemented();
  }

  @Handler(Ask, Told)
  bare(): Promise<Told> {
    return unimplemented();
  }
}

@Service(Contract)
export class Implementation implements HandlersOf<Contract> {
  async one(ask: Ask, { endpoint }: Context): Promise<Told> {
    return { text: `${endpoint} ${ask.text}` };
  }

  async *many(_asks: AsyncIterable<Ask>): AsyncIterable<Told> {}

  async bare(): Promise<Told> {
    return { text: '' };
  }
}

@Service(Contract)
export class PlainImplementation implements Contract {
  async one(_ask: Ask): Promise<Told> {
    return { text: '' };
  }

  async *many(_asks: AsyncIterable<Ask>): AsyncIterable<Told> {}

  async bare(): Promise<Told> {
    return { text: '' };
  }
}

export class RightClient extends ClientOf(Right) {}
export class AsksPublisher extends PublisherOf(Asks) {}

@Injectable()
export class Caller {
  readonly #right: RightClient;
  readonly #asks: AsksPublisher;
  constructor(right: RightClient, asks: AsksPublisher) {
    this.#right = right;
    this.#asks = asks;
  }

  async call(): Promise<string> {
    const { text } = await this.#right.whole({ text: 'x' }, { timeoutMs: 5 });
    for await (const told of this.#right.bidi([{ text: 'a' }])) return told.text;
    for await (const told of this.#right.server({})) return told.text;
    await this.#asks.publish({ text });
    return (await this.#right.client([])).text;
  }
}

export async function tested(): Promise<void> {
  await using app = await TestApp.create({ services: [Right] })
    .override(RightClient, fakeClient(RightClient, { whole: async () => ({ text: 'x' }) }))
    .start();
  await app.client(RightClient).partial({});
}
