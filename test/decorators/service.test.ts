import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ClientOf,
  Field,
  Handler,
  Message,
  PublisherOf,
  Service,
  Subscribe,
} from '../../decorators/index.js';
import { ClientOf as PlainClientOf } from '../../src/client/proxy.js';
import type { Client } from '../../src/client/client.js';
import { OctavoError } from '../../src/core/error.js';
import { declarationOf, type ServiceClass } from '../../src/schema/service-declaration.js';
import { topic } from '../../src/schema/topic.js';

@Message('decorated.Text')
class Text {
  @Field(1, 'string') text = '';
}

@Service({ version: '2', metadata: { a: '1' } })
class Parent {
  @Handler(Text, Text)
  async first(text: Text): Promise<Text> {
    return text;
  }
  @Handler(Text, Text, { idempotent: true })
  async second(text: Text): Promise<Text> {
    return text;
  }
  helper(): number {
    return 1;
  }
}

@Service({ name: 'my-shop', metadata: { b: '2' } })
class Child extends Parent {
  // Overridden without being decorated again: it is still an endpoint.
  override async first(): Promise<Text> {
    return new Text();
  }
}

@Service(Parent, { name: 'other' })
class Implementation implements Parent {
  async first(text: Text): Promise<Text> {
    return text;
  }
  async second(text: Text): Promise<Text> {
    return text;
  }
  helper(): number {
    return 2;
  }
}

function refused(run: () => unknown, like: RegExp): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof OctavoError && error.code === 'failed_precondition', String(error));
    assert.match(error.message, like);
    return true;
  });
}

describe('what is declared of a service', () => {
  it('has defaults that go on the wire', () => {
    const { name, version, package: pack, endpoint, methods } = declarationOf(Parent);
    assert.deepEqual([name, version, pack, endpoint], ['parent', '2', 'parent', 'Parent']);
    assert.deepEqual(
      methods.map((method) => `${method.endpoint} ${method.kind}`),
      ['Parent.First unary', 'Parent.Second unary'],
    );
  });

  it('may limit the time of unary calls that name no limit', () => {
    @Service({ timeoutMs: 50 })
    class Hasty {
      @Handler(Text, Text)
      async first(text: Text): Promise<Text> {
        return text;
      }
      @Handler(Text, Text, { timeoutMs: 100 })
      async second(text: Text): Promise<Text> {
        return text;
      }
      @Handler(Text, Text, { stream: 'bidi' })
      third(texts: AsyncIterable<Text>): AsyncIterable<Text> {
        return texts;
      }
    }
    assert.deepEqual(
      declarationOf(Hasty).methods.map(({ options }) => options.timeoutMs),
      [50, 100, undefined],
    );
  });

  it('is inherited, and what is said anew wins', () => {
    const { name, version, package: pack, endpoint, methods, metadata } = declarationOf(Child);
    assert.deepEqual([name, version, pack, endpoint], ['my-shop', '2', 'my_shop', 'Child']);
    assert.deepEqual(
      methods.map((method) => method.endpoint),
      ['Child.First', 'Child.Second'],
    );
    assert.deepEqual(metadata, { b: '2' });
  });

  it('gives each method the proto package that callers know it in', () => {
    const packages = (type: ServiceClass): string[] =>
      declarationOf(type).methods.map(({ package: pack }) => pack);
    assert.deepEqual(packages(Parent), ['parent', 'parent']);
    assert.deepEqual(packages(Child), ['my_shop', 'my_shop']);
    assert.deepEqual(packages(Implementation), ['parent', 'parent']);
  });

  it('is the contract’s, for a class that implements one', () => {
    const { name, version, endpoint, methods } = declarationOf(Implementation);
    assert.deepEqual([name, version, endpoint], ['other', '2', 'Parent']);
    assert.equal(methods[1]?.options.idempotent, true);
  });

  it('is nothing for a class without @Service, and says so', () => {
    refused(() => declarationOf(class Plain {}), /class Plain is no service: put @Service\(\) on it/);
  });

  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ name: 'a b' }, /"a b" is no name of a service/],
    [{ version: '' }, /"" is no version/],
    [{ package: '1x' }, /"1x" is no proto package/],
    [{ endpoint: 'a.b' }, /"a.b" is no name for endpoints/],
  ];
  for (const [facts, like] of wrong)
    it(`cannot be ${JSON.stringify(facts)}`, () => {
      class Wrong {}
      Service(facts)(Wrong);
      refused(() => declarationOf(Wrong), like);
    });

  it('cannot have two methods of one endpoint', () => {
    @Service()
    class Twice {
      @Handler(Text, Text)
      async run(text: Text): Promise<Text> {
        return text;
      }
      @Handler(Text, Text)
      async Run(text: Text): Promise<Text> {
        return text;
      }
    }
    refused(() => declarationOf(Twice), /two methods for the endpoint Twice\.Run/);
  });

  it('cannot be of classes that an import cycle left undefined, and says what to do', () => {
    // What a cycle of imports leaves of a class.
    const nothing = undefined as unknown as typeof Text;
    class Cyclic {
      async run(text: Text): Promise<Text> {
        return text;
      }
    }
    const descriptor = Object.getOwnPropertyDescriptor(Cyclic.prototype, 'run') ?? {};
    refused(
      () => Handler(nothing, Text)(Cyclic.prototype, 'run', descriptor),
      /Cyclic\.run got no class.*import each other/,
    );
    refused(
      () => Subscribe('t', nothing)(Cyclic.prototype, 'run' as never, descriptor),
      /Cyclic\.run got no class/,
    );
    refused(
      () => PlainClientOf(undefined as unknown as typeof Parent),
      /ClientOf got no class.*import each other/,
    );
    refused(
      () => PublisherOf(undefined as unknown as ReturnType<typeof topic<Text>>),
      /PublisherOf got no topic/,
    );
  });
});

class ParentClient extends ClientOf(Parent) {
  /** A method of its own, which stays. */
  extra(): string {
    return 'mine';
  }
}

describe('a typed client', () => {
  const asked: unknown[] = [];
  // As much of a client as these calls touch.
  const client = { call: async (...args: unknown[]) => asked.push(args) } as unknown as Client;

  it('calls by the contract’s names and types', async () => {
    await new ParentClient(client).first({ text: 'x' }, { timeoutMs: 5 });
    const [request, options] = asked.at(-1) as [Record<string, unknown>, unknown];
    assert.deepEqual(
      [request['service'], request['endpoint'], request['body']],
      ['parent', 'Parent.First', { text: 'x' }],
    );
    assert.deepEqual(options, { timeoutMs: 5 });
  });

  it('keeps its own methods, and says so of one that is no endpoint', () => {
    const parent = new ParentClient(client);
    assert.equal(parent.extra(), 'mine');
    const { helper } = parent as unknown as { helper: () => void };
    assert.throws(
      helper,
      (error) =>
        error instanceof OctavoError &&
        error.code === 'unimplemented' &&
        /Parent\.helper/.test(error.message),
    );
  });

  it('shares its methods between instances', () => {
    assert.equal(new ParentClient(client).first, new ParentClient(client).first);
  });
});
