import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { Length, Min } from 'class-validator';
import { ClientOf, Field, Handler, Message, Service, Subscribe, Wrap } from '../../decorators/index.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { OctavoError } from '../../src/core/error.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import type { Init } from '../../src/schema/message-type.js';
import { createService } from '../../src/service/run.js';
import { TestApp } from '../../src/testing/test-app.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import { fallback } from '../../src/wrapper/fallback.js';
import { validate } from '../../src/wrapper/validate.js';
import { conform } from '../conformance/conform.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { has } from '../support/wrapping.js';

@Message('validate.Order')
class Order {
  @Field(1, 'string') @Length(0, 3) what = '';
  @Field(2, 'int32') @Min(0) count = 0;
}

@Message('validate.Price')
class Price {
  @Field(1, 'int32') @Min(0) cents = 0;
  @Field(2, Order) order?: Order = undefined;
}

/** Gives whatever it is asked for, whether or not that may be. */
@Service({ name: 'shop' })
class Shop {
  calls = 0;
  left = false;

  @Handler(Order, Price)
  async price({ count, what }: Order): Promise<Init<Price>> {
    this.calls++;
    return { cents: count - 10, order: { what } };
  }

  @Handler(Order, Price, { stream: 'server' })
  async *prices({ count }: Order): AsyncIterable<Init<Price>> {
    try {
      for (let n = count; ; n--) yield { cents: n };
    } finally {
      this.left = true;
    }
  }

  @Handler(Order, Price, { stream: 'client' })
  async total(orders: AsyncIterable<Order>): Promise<Init<Price>> {
    let cents = 0;
    for await (const { count } of orders) cents -= count;
    return { cents };
  }

  @Subscribe('orders', Order)
  async onOrder(): Promise<void> {
    this.calls++;
  }
}

class ShopClient extends ClientOf(Shop) {}

const broken = (text: RegExp) => (error: unknown) => has('internal')(error) && text.test(String(error));

describe('validate', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({ wrapper: validate() }));

  it('holds replies to the rules of their class in a TestApp, without being asked', async () => {
    await using app = await TestApp.create({ services: [Shop] }).start();
    const client = app.client(ShopClient);
    // What a handler leaves out is there with its default.
    assert.equal((await client.price({ count: 11 })).cents, 1);
    await assert.rejects(
      client.price({ count: 5 }),
      broken(
        /Shop.Price gave a reply that breaks its rules: validate.Price.cents: cents must not be less than 0/,
      ),
    );
    const seen: unknown[] = [];
    const read = async (): Promise<void> => {
      for await (const { cents } of client.prices({ count: 2 })) seen.push(cents);
    };
    await assert.rejects(read(), broken(/Shop.Prices gave a reply/));
    assert.deepEqual([seen, app.resolve(Shop).left], [[2, 1, 0], true]);
    await assert.rejects(client.total([{ count: 1 }]), broken(/Shop.Total gave a reply/));
  });

  it('does so inside of what stands around the handler, and not where that is not wanted', async () => {
    @Service({ endpoint: 'Shop' })
    @Wrap(fallback({ to: () => ({ cents: 7 }), codes: ['internal'] }))
    class Saved extends Shop {}
    await using saved = await TestApp.create({ services: [Saved] }).start();
    assert.equal((await saved.client(ShopClient).price({ count: 5 })).cents, 7);
    await using lax = await TestApp.create({ services: [Shop], validateReplies: false }).start();
    assert.equal((await lax.client(ShopClient).price({ count: 5 })).cents, -5);
  });

  it('holds requests to the rules on every server, and replies on none unless it is told to', async () => {
    const service = createService({
      services: [Shop],
      registry: memoryRegistry(),
      broker: memoryBroker(),
      transport: memoryTransport(),
      logger: () => new TestLogger(),
      env: {},
    });
    await service.start();
    const client = service.resolve(ShopClient);
    await assert.rejects(client.price({ what: 'too long' }), has('invalid_argument'));
    assert.equal(service.resolve(Shop).calls, 0);
    assert.equal((await client.price({ count: 5 })).cents, -5);
    await assert.rejects(client.price({ count: 5 }, { wrappers: [validate()] }), broken(/breaks its rules/));
    await service.stop();
  });

  it('has a client refuse a request before it travels', async () => {
    await using app = await TestApp.create({
      services: [Shop],
      client: rpcClient({ wrappers: [validate({ replies: false })] }),
      validateReplies: false,
    }).start();
    const client = app.client(ShopClient);
    const refused = (error: unknown): boolean =>
      error instanceof OctavoError &&
      error.code === 'invalid_argument' &&
      error.executed === false &&
      error.violations[0]?.field === 'what';
    await assert.rejects(client.price({ what: 'too long' }), refused);
    const read = async (): Promise<void> => {
      for await (const item of client.prices({ what: 'too long' })) assert.fail(JSON.stringify(item));
    };
    await assert.rejects(read(), refused);
    assert.equal(app.resolve(Shop).calls, 0);
    assert.equal((await client.price({ count: 5 })).cents, -5);
    // The items of a stream are held to their rules by the server.
    await assert.rejects(
      client.total([{ what: 'too long' }]),
      has('invalid_argument', { executed: undefined }),
    );
  });

  it('lets through what no contract types', async () => {
    await using app = await TestApp.create({
      services: [Shop],
      client: rpcClient({ wrappers: [validate()] }),
    }).start();
    const request = { service: 'shop', endpoint: 'Shop.Price', contentType: 'application/json' };
    const { client } = app.service();
    assert.deepEqual(await client.call({ ...request, body: { count: 11 } }), {
      cents: 1,
      order: {},
    });
  });

  it('stands around no subscriber, as events are held to their rules anyway, and around no attempt', () => {
    const { unfit } = validate();
    assert.match(unfit?.({ around: 'subscriber', name: 'a' }) ?? '', /an event has none/);
    assert.match(unfit?.({ around: 'attempt', name: 'a' }) ?? '', /put it into "wrappers"/);
  });
});
