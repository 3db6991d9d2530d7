import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { Handler, Injectable, Service, Wrap } from '../../decorators/index.js';
import { OctavoError } from '../../src/core/error.js';
import { createService } from '../../src/service/run.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import { TestApp } from '../../src/testing/test-app.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import {
  compose,
  type Call,
  type Next,
  type Place,
  type Reply,
  type Wrapper,
} from '../../src/wrapper/wrapper.js';
import { conform } from '../conformance/conform.js';
import { Ask, Told } from '../conformance/probe.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';

const passing: Wrapper = (call, next) => next(call);
const waiting: Wrapper = async (call, next) => {
  const reply = await next(call);
  return { ...reply };
};

describe('a wrapper that lets everything through', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({ wrapper: passing }));
});

describe('several wrappers in one', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({
    wrapper: (call, next) => compose([waiting, passing, waiting], next)(call),
  }));
});

const order: string[] = [];
const named =
  (name: string): Wrapper =>
  (call, next) => {
    order.push(name);
    return next(call);
  };
const refusing: Wrapper = () => Promise.reject(new OctavoError('unauthenticated', 'who are you'));
const looking: Wrapper = (call: Call, next) => {
  order.push(`request ${(call.request as Ask).text}`);
  return next(call);
};

@Service({ name: 'wrapped' })
@Wrap(named('class'))
@Wrap(named('class, below'))
class Wrapped {
  @Handler(Ask, Told)
  @Wrap(named('method'), looking)
  async fine(): Promise<Told> {
    order.push('handler');
    return new Told();
  }

  @Handler(Ask, Told)
  @Wrap(refusing)
  async refused(): Promise<Told> {
    return new Told();
  }
}

function service(): ReturnType<typeof createService> {
  const stack = { registry: memoryRegistry(), broker: memoryBroker(), transport: memoryTransport() };
  return createService({ ...stack, services: [Wrapped], logger: () => new TestLogger(), env: {} });
}

const request = { service: 'wrapped', contentType: 'application/json' };

@Injectable()
class Choosy {
  handle(call: Call, next: Next): Promise<Reply> {
    return next(call);
  }

  unfit({ around, name, method }: Place): string | undefined {
    return around === 'handler' ? `not around ${name}, which is ${method?.kind}` : undefined;
  }
}

@Service({ name: 'choosing' })
class Choosing {
  @Handler(Ask, Told)
  @Wrap(Choosy)
  async chosen(): Promise<Told> {
    return new Told();
  }
}

describe('wrappers of a handler', () => {
  it('that are classes are asked, too, whether they fit', async () => {
    await assert.rejects(
      TestApp.create({ services: [Choosing] }).start(),
      /Choosing.Chosen: not around Choosing.Chosen, which is unary/,
    );
  });

  it('run from the class in, and may look at the request', async () => {
    order.length = 0;
    const app = service();
    await app.start();
    await app.client.call({ ...request, endpoint: 'Wrapped.Fine', body: { text: 'x' } });
    await app.stop();
    assert.deepEqual(order, ['class', 'class, below', 'method', 'request x', 'handler']);
  });

  it('that refuse do so before the request is decoded', async () => {
    const app = service();
    await app.start();
    // A body that cannot be decoded is not looked at.
    const call = app.client.call({ ...request, endpoint: 'Wrapped.Refused', body: { count: 'no number' } });
    await assert.rejects(call, (error) => error instanceof OctavoError && error.code === 'unauthenticated');
    await app.stop();
  });
});
