import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Inject, InjectAll, Injectable, Optional } from '../../decorators/index.js';
import { OctavoError } from '../../src/core/error.js';
import type { Lifecycle } from '../../src/core/lifecycle.js';
import { Container } from '../../src/service/container.js';
import { TestLogger } from '../../src/testing/test-logger.js';

abstract class Store {
  abstract read(): string;
}

@Injectable()
class Deep {
  readonly store: Store;
  constructor(store: Store) {
    this.store = store;
  }
}

@Injectable()
class Outer {
  readonly deep: Deep;
  constructor(deep: Deep) {
    this.deep = deep;
  }
}

class Unmarked {
  readonly deep: Deep;
  constructor(deep: Deep) {
    this.deep = deep;
  }
}

@Injectable()
class WithUnmarked {
  readonly inner: Unmarked;
  constructor(inner: Unmarked) {
    this.inner = inner;
  }
}

interface Shape {
  readonly side: number;
}

@Injectable()
class WithInterface {
  readonly shape: Shape;
  constructor(shape: Shape) {
    this.shape = shape;
  }
}

class Later {}

@Injectable()
class Ping {
  readonly other: object;
  constructor(@Inject(Later) other: object) {
    this.other = other;
  }
}

@Injectable()
class Pong {
  readonly other: Ping;
  constructor(other: Ping) {
    this.other = other;
  }
}

@Injectable()
class Choosy {
  readonly store: Store | undefined;
  readonly all: readonly Store[];
  constructor(@Optional() store: Store, @InjectAll(Store) all: readonly Store[]) {
    this.store = store;
    this.all = all;
  }
}

class Fixed extends Store {
  readonly #text: string;
  constructor(text: string) {
    super();
    this.#text = text;
  }
  read(): string {
    return this.#text;
  }
}

function refused(run: () => unknown, ...words: readonly string[]): void {
  assert.throws(run, (reason) => {
    assert.ok(reason instanceof OctavoError && reason.code === 'failed_precondition', String(reason));
    for (const word of words) assert.ok(reason.message.includes(word), `${reason.message} lacks "${word}"`);
    return true;
  });
}

describe('the container', () => {
  it('gives a constructor what it asks for, each thing once', () => {
    const container = new Container();
    container.provide(Store, () => new Fixed('x'));
    const outer = container.resolve(Outer);
    assert.equal(outer.deep.store.read(), 'x');
    assert.equal(container.resolve(Outer), outer);
    assert.equal(container.resolve(Deep), outer.deep);
  });

  it('names the whole chain and the remedy when something is missing', () => {
    refused(() => new Container().resolve(Outer), 'Store', 'Outer -> Deep -> Store', 'provide');
  });

  it('refuses a class that is not marked, and says to mark it', () => {
    refused(
      () => new Container().resolve(WithUnmarked),
      'Unmarked',
      'WithUnmarked -> Unmarked',
      '@Injectable()',
    );
  });

  it('refuses a parameter whose type is no class, and says which', () => {
    refused(
      () => new Container().resolve(WithInterface),
      'parameter 1 of WithInterface',
      'import type',
      '@Inject',
    );
  });

  it('names a circle', () => {
    const container = new Container();
    container.provide(Later, (resolve) => resolve(Pong));
    refused(() => container.resolve(Ping), 'needs itself', 'Ping -> Later -> Pong');
  });

  it('leaves out what is optional, and gives all of what there are several of', () => {
    const none = new Container().resolve(Choosy);
    assert.deepEqual([none.store, none.all], [undefined, []]);
    const container = new Container();
    container.provide(Store, () => new Fixed('a'));
    container.provide(Store, () => new Fixed('b'));
    assert.deepEqual(
      container.resolve(Choosy).all.map((store) => store.read()),
      ['a', 'b'],
    );
  });

  it('waits for what takes time', async () => {
    const container = new Container();
    await container.add([
      Store,
      async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return new Fixed('slow');
      },
    ]);
    assert.equal(container.resolve(Store).read(), 'slow');
  });

  it('keeps what a child makes to the child, and shares what is its own', () => {
    const parent = new Container();
    parent.provide(Store, () => new Fixed('shared'));
    const [first, second] = [parent.child(), parent.child()];
    assert.notEqual(first.resolve(Deep), second.resolve(Deep));
    assert.equal(first.resolve(Store), second.resolve(Store));
  });

  it('makes a class for the child that was made for something of the parent’s', async () => {
    const parent = new Container();
    parent.provide(Store, () => new Fixed('shared'));
    await parent.add([Later, (resolve) => resolve(Deep)]);
    const child = parent.child();
    assert.notEqual(child.resolve(Deep), parent.resolve(Deep));
    assert.equal(child.resolve(Later), parent.resolve(Deep));
  });

  it('puts an override in the place of what is registered, everywhere', () => {
    const fake = new Fixed('fake');
    const container = new Container(new Map([[Store, fake]]));
    container.provide(Store, () => new Fixed('real'));
    assert.equal(container.child().resolve(Deep).store, fake);
    assert.deepEqual(container.unused, []);
  });

  it('knows which override nobody asked for', () => {
    assert.deepEqual(new Container(new Map([[Store, new Fixed('x')]])).unused, [Store]);
  });
});

@Injectable()
class WithText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

@Injectable()
class Inherits extends Ping {}

describe('what a container is asked for', () => {
  it('may be asked by the constructor of a class above', () => {
    const container = new Container();
    container.provide(Later, () => new Later());
    assert.ok(container.resolve(Inherits).other instanceof Later);
  });

  it('is refused when it is a text or a number, which nobody could choose', () => {
    refused(() => new Container().resolve(WithText), 'parameter 1 of WithText', 'String', '@Inject');
  });

  it('is the override alone where all are asked for', () => {
    const fake = new Fixed('fake');
    const container = new Container(new Map([[Store, fake]]));
    container.provide(Store, () => new Fixed('a'));
    container.provide(Store, () => new Fixed('b'));
    assert.deepEqual(container.resolve(Choosy).all, [fake]);
    assert.deepEqual(container.unused, []);
  });

  it('is not made where it is overridden', async () => {
    const fake = new Fixed('fake');
    const container = new Container(new Map([[Store, fake]]));
    await container.add([Store, () => assert.fail('made')]);
    assert.equal(container.resolve(Store), fake);
  });
});

describe('the life cycles in a container', () => {
  const order: string[] = [];

  function thing(name: string, more: Partial<Lifecycle> = {}): Lifecycle {
    return {
      start: () => void order.push(`start ${name}`),
      stop: () => void order.push(`stop ${name}`),
      ...more,
    };
  }

  abstract class Low {}
  abstract class High {}

  function two(high: Partial<Lifecycle> = {}): Container {
    order.length = 0;
    const container = new Container();
    container.provide(High, (resolve) => {
      resolve(Low);
      return thing('high', high);
    });
    container.provide(Low, () => thing('low'));
    container.resolve(High);
    return container;
  }

  it('start in order of dependency and stop in reverse', async () => {
    const container = two();
    await container.start(new TestLogger());
    await container.stop(new TestLogger());
    await container.stop(new TestLogger());
    assert.deepEqual(order, ['start low', 'start high', 'stop high', 'stop low']);
  });

  it('stop what was started when a start fails, and throw its error', async () => {
    const container = two({
      start: () => {
        throw new Error('no');
      },
    });
    await assert.rejects(container.start(new TestLogger()), /no/);
    assert.deepEqual(order, ['start low', 'stop high', 'stop low']);
  });

  it('go on stopping when one cannot, and log it', async () => {
    const logger = new TestLogger();
    const container = two({ stop: () => Promise.reject(new Error('stuck')) });
    await container.start(logger);
    await container.stop(logger);
    assert.deepEqual(order, ['start low', 'start high', 'stop low']);
    assert.equal(logger.records.length, 1);
  });

  it('include what was added and nobody asked for, with what it stands on', async () => {
    order.length = 0;
    const container = new Container();
    container.provide(Low, () => thing('low'));
    await container.add([
      High,
      (resolve) => {
        resolve(Low);
        return thing('high');
      },
    ]);
    await container.start(new TestLogger());
    await container.stop(new TestLogger());
    assert.deepEqual(order, ['start low', 'start high', 'stop high', 'stop low']);
  });

  it('are not begun behind the back of an app that runs: what would be is refused', async () => {
    const container = new Container();
    container.provide(Low, () => thing('low'));
    await container.start(new TestLogger());
    refused(() => container.resolve(Low), 'Low', 'provide');
  });
});
