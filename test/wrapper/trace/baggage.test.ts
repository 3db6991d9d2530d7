import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { context, propagation } from '@opentelemetry/api';
import { Handler, Service } from '../../../decorators/index.js';
import type { Context } from '../../../src/core/context.js';
import { Ask, Told } from '../../conformance/probe.js';
import { activate, Tracing } from '../../support/tracing.js';

before(activate);

describe('baggage', () => {
  const BAGGAGE = { tenant: { value: 'é, ;"' }, secret: { value: 'x' } };

  @Service({ name: 'probe', endpoint: 'Probe', package: 'conformance' })
  class Seeing {
    seen: unknown;
    sent: string | undefined;

    @Handler(Ask, Told)
    async echo(_: Ask, { metadata }: Context): Promise<Told> {
      this.sent = metadata.get('baggage');
      this.seen = propagation.getActiveBaggage()?.getAllEntries();
      return new Told();
    }
  }

  const calling = async (names: readonly string[]): Promise<Seeing> => {
    await using app = await Tracing.start({ services: [Seeing], trace: { baggage: names } });
    const active = propagation.setBaggage(context.active(), propagation.createBaggage(BAGGAGE));
    await context.with(active, async () => app.client.echo({}));
    return app.service.resolve(Seeing);
  };

  it('does not travel by itself', async () => {
    const { seen, sent } = await calling([]);
    assert.deepEqual([seen, sent], [undefined, undefined]);
  });

  it('travels as far as it is listed', async () => {
    const { seen, sent } = await calling(['tenant', 'other']);
    assert.deepEqual(seen, [['tenant', { value: 'é, ;"' }]]);
    assert.equal(sent, 'tenant=%C3%A9%2C%20%3B%22');
  });

  it('that nobody listed is not taken, nor what is no baggage or too much', async () => {
    await using app = await Tracing.start({
      services: [Seeing],
      at: ['handler'],
      trace: { baggage: ['tenant', '__proto__'] },
    });
    const took = async (baggage: string): Promise<unknown> => {
      await app.client.echo({}, { metadata: { baggage } });
      return app.service.resolve(Seeing).seen;
    };
    assert.deepEqual(await took('secret=x, tenant = a%20b ;p=1, =, tenant2=x'), [
      ['tenant', { value: 'a b' }],
    ]);
    assert.deepEqual(await took('__proto__=x'), [['__proto__', { value: 'x' }]]);
    for (const bad of ['', ',,,', 'tenant', 'tenant=%', 'tenant="x"', `tenant=${'x'.repeat(9_000)}`])
      assert.equal(await took(bad), undefined, bad);
  });
});
