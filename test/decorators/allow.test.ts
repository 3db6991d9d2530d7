import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Allow, Handler, Injectable, Public, Service, Subscribe, Wrap } from '../../decorators/index.js';
import { Context } from '../../src/core/context.js';
import { declarationOf, type ServiceClass } from '../../src/schema/service-declaration.js';
import { TestApp } from '../../src/testing/test-app.js';
import type { Access } from '../../src/schema/access.js';
import type { Wrapper } from '../../src/wrapper/wrapper.js';
import { Ask, Told } from '../conformance/probe.js';
import { has } from '../support/wrapping.js';

function accessIn(type: ServiceClass): Record<string, Access | undefined> {
  return Object.fromEntries(declarationOf(type).methods.map(({ property, access }) => [property, access]));
}

@Service({ name: 'doors' })
@Allow('user')
class Doors {
  @Handler(Ask, Told)
  async front(): Promise<Told> {
    return new Told();
  }

  @Handler(Ask, Told)
  @Allow('admin', 'owner')
  async back(): Promise<Told> {
    return new Told();
  }

  @Public()
  @Handler(Ask, Told)
  async window(): Promise<Told> {
    return new Told();
  }
}

describe('@Allow and @Public', () => {
  it('hold for a method, and those of the class for every other method of it', () => {
    assert.deepEqual(accessIn(Doors), { front: ['user'], back: ['admin', 'owner'], window: 'public' });
    @Service()
    class Open {
      @Handler(Ask, Told)
      async door(): Promise<Told> {
        return new Told();
      }
    }
    assert.deepEqual(accessIn(Open), { door: undefined });
  });

  it('are inherited from the class and from the contract, and the nearest counts', () => {
    @Service()
    @Public()
    class Inherits extends Doors {}
    assert.deepEqual(accessIn(Inherits), { front: 'public', back: ['admin', 'owner'], window: 'public' });
    @Service(Doors)
    class Implements {
      @Allow('guard')
      @Handler(Ask, Told)
      async front(): Promise<Told> {
        return new Told();
      }
      async back(): Promise<Told> {
        return new Told();
      }
      @Allow('cat')
      async window(): Promise<Told> {
        return new Told();
      }
    }
    assert.deepEqual(accessIn(Implements), { front: ['guard'], back: ['admin', 'owner'], window: ['cat'] });
  });

  it('may stand once at a place, and only where somebody can call', () => {
    const wrong = (said: RegExp) => (error: unknown) =>
      has('failed_precondition')(error) && said.test(String(error));
    assert.throws(
      () => {
        @Allow('a')
        @Public()
        class Twice {}
        return Twice;
      },
      wrong(/@Allow stands on Twice, of which another one says/),
    );
    assert.throws(
      () => {
        class Twice {
          @Allow('a')
          @Allow('b')
          twice(): void {}
        }
        return Twice;
      },
      wrong(/stands on Twice.twice/),
    );
    assert.throws(
      () => {
        class Static {
          @Allow('a')
          static door(): void {}
        }
        return Static;
      },
      wrong(/no method of an instance/),
    );
    assert.throws(() => Reflect.apply(Allow, undefined, [])(Doors), wrong(/names no role/));
    @Service()
    class Nobody {
      @Allow('a')
      private(): void {}
    }
    assert.throws(
      () => declarationOf(Nobody),
      wrong(/class Nobody: .* stands on "private", which has no @Handler/),
    );
  });

  it('fail the start where roles are named that nobody asks for', async () => {
    const start = async (type: ServiceClass): Promise<void> => {
      await using app = await TestApp.create({ services: [type] }).start();
      assert.ok(app.service().server.node !== undefined);
    };
    await assert.rejects(
      start(Doors),
      /Doors.Back is for admin or owner \(@Allow\), and no wrapper around it/,
    );
    const guard: Wrapper = Object.assign(((call, next) => next(call)) satisfies Wrapper, { guards: true });
    class Guard {
      readonly guards = true;
      handle(...[call, next]: Parameters<Wrapper>): ReturnType<Wrapper> {
        return next(call);
      }
    }
    Injectable()(Guard);
    for (const each of [guard, Guard]) {
      @Service({ endpoint: 'Doors' })
      @Wrap(each)
      class Guarded extends Doors {}
      await start(Guarded);
    }
    @Service()
    class Listens {
      @Subscribe('news', Ask)
      @Allow('press')
      async onNews(): Promise<void> {}
    }
    await assert.rejects(start(Listens), /Listens.OnNews is for press/);
  });

  it('are what a wrapper sees of a call and of an event', async () => {
    const seen: unknown[] = [];
    const looking: Wrapper = Object.assign(
      (async (call, next) => {
        seen.push([call.endpoint, call.access, Context.current()?.endpoint]);
        return next(call);
      }) satisfies Wrapper,
      { guards: true },
    );
    let told = (): void => {};
    const came = new Promise<void>((resolve) => (told = resolve));
    @Service({ name: 'seen' })
    @Wrap(looking)
    class Seen {
      @Handler(Ask, Told)
      @Allow('admin')
      async door(): Promise<Told> {
        return new Told();
      }
      @Subscribe('news', Ask)
      @Public()
      async onNews(): Promise<void> {
        told();
      }
    }
    await using app = await TestApp.create({ services: [Seen] }).start();
    const { client } = app.service();
    await client.call({ service: 'seen', endpoint: 'Seen.Door', body: {}, contentType: 'application/json' });
    await client.publish({ topic: 'news', body: {}, type: Ask });
    await came;
    assert.deepEqual(seen, [
      ['Seen.Door', ['admin'], 'Seen.Door'],
      ['news', 'public', 'news'],
    ]);
  });
});
