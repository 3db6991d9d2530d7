import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { OctavoError } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { jwt } from '../../src/wrapper/jwt.js';
import type { Wrapper } from '../../src/wrapper/wrapper.js';
import { Issuer } from '../support/issuer.js';
import { aCall } from '../support/wrapping.js';

const clock = new VirtualClock();

/** Who a token is taken for; `undefined` where it is refused as it must be. */
async function judged(guard: Wrapper, authorization: string): Promise<unknown> {
  let principal: unknown;
  try {
    await guard(aCall(clock, { metadata: new Metadata({ authorization }) }), async ({ context }) => {
      principal = context.principal;
      return { body: undefined };
    });
    return principal;
  } catch (reason) {
    assert.ok(reason instanceof OctavoError, String(reason));
    assert.equal(reason.code, 'unauthenticated', reason.message);
    assert.equal(reason.executed, false);
    // In a few words of ours, whatever the token says.
    assert.ok(reason.message.length < 200, reason.message);
    assert.match(reason.message, /^Probe\.Echo: [\x20-\x7e]+ \(jwt\)$/);
    assert.equal(reason.cause, undefined);
    return undefined;
  }
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('jwt under fire', () => {
  it('takes no damaged token for anything but what it was', async () => {
    await using issuer = await Issuer.start(clock);
    const guard = await jwt({ jwks: { url: issuer.url, cooldownMs: 1e12 } });
    const good = await issuer.token({ claims: { roles: ['user'] }, forMs: 600_000 });
    const known = JSON.stringify(await judged(guard, `Bearer ${good}`));
    const place = fc.nat({ max: good.length - 1 });
    const damage = fc.oneof(
      fc.tuple(place, fc.string({ minLength: 1, maxLength: 1, unit: 'binary-ascii' })).map(([at, char]) => {
        return good.slice(0, at) + char + good.slice(at + 1);
      }),
      fc
        .tuple(place, fc.string({ maxLength: 20 }))
        .map(([at, text]) => good.slice(0, at) + text + good.slice(at)),
      fc.tuple(place, place).map(([from, to]) => good.slice(0, from) + good.slice(to)),
      place.map((at) => good.slice(0, at)),
      fc.constant(`${good}.${good}`),
      fc.string({ maxLength: 200 }),
    );
    await fc.assert(
      fc.asyncProperty(damage, async (text) => {
        const principal = await judged(guard, `Bearer ${text}`);
        // The last bits of base64 may mean nothing.
        if (principal !== undefined) assert.equal(JSON.stringify(principal), known);
      }),
      { numRuns: 3_000 },
    );
  });

  it('takes nothing that somebody else made up, whatever its header and claims are', async () => {
    await using issuer = await Issuer.start(clock);
    const guard = await jwt({ jwks: { url: issuer.url, cooldownMs: 1e12 } });
    await judged(guard, `Bearer ${await issuer.token()}`);
    const { kid = '' } = issuer.shown;
    const algorithms = [
      'ES256',
      'none',
      'HS256',
      'RS256',
      'PS512',
      'EdDSA',
      'dir',
      '__proto__',
      'constructor',
      'toString',
    ];
    const header = fc.record(
      {
        alg: fc.oneof(fc.constantFrom(...algorithms), fc.jsonValue()),
        kid: fc.oneof(fc.constant(kid), fc.string(), fc.jsonValue()),
        typ: fc.jsonValue(),
        crit: fc.oneof(fc.constant(['b64']), fc.jsonValue()),
        b64: fc.boolean(),
        jwk: fc.constant(issuer.shown),
        jku: fc.constant(issuer.url),
        x5c: fc.jsonValue(),
        zip: fc.constant('DEF'),
      },
      { requiredKeys: [] },
    );
    const claims = fc.oneof(
      fc.constant({ sub: 'eve', exp: 1e11 }),
      fc.record({ sub: fc.jsonValue(), exp: fc.jsonValue(), nbf: fc.jsonValue(), aud: fc.jsonValue() }),
      fc.jsonValue(),
    );
    const signature = fc.oneof(
      fc.constant((): Buffer => Buffer.alloc(0)),
      fc.constant((): Buffer => randomBytes(64)),
      fc.constant((text: string): Buffer =>
        createHmac('sha256', JSON.stringify(issuer.shown)).update(text).digest(),
      ),
      // Zeros are a signature for everything where a library does not look. Source: CVE-2022-21449.
      fc.constant((): Buffer => Buffer.alloc(64)),
    );
    const { asked } = issuer;
    await fc.assert(
      fc.asyncProperty(fc.oneof(header, fc.jsonValue()), claims, signature, async (head, body, sign) => {
        const text = `${base64url(head)}.${base64url(body)}`;
        const token = `${text}.${sign(text).toString('base64url')}`;
        assert.equal(await judged(guard, `Bearer ${token}`), undefined);
      }),
      { numRuns: 3_000 },
    );
    // Nobody was asked for a key that such a token names.
    assert.equal(issuer.asked, asked);
  });

  it('is done with a large token soon, and with one that is too large at once', async () => {
    const secret = randomBytes(64);
    const guard = await jwt({ keys: [{ secret }] });
    const deep = (depth: number): string => `{"alg":"HS256","x":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    const texts = [
      Buffer.from(deep(2_500)).toString('base64url').slice(0, 7_000) + '.e30.e30',
      `${Buffer.from(deep(2_500)).toString('base64url')}.e30.e30`,
      '.'.repeat(8_000),
      `${'a'.repeat(4_000)}.${'a'.repeat(4_000)}.`,
      '='.repeat(8_000),
      ' '.repeat(8_000),
      'a'.repeat(10_000_000),
    ];
    const begun = performance.now();
    for (let n = 0; n < 20; n++)
      for (const text of texts) assert.equal(await judged(guard, `Bearer ${text}`), undefined);
    assert.ok(performance.now() - begun < 5_000, `${performance.now() - begun} ms`);
  });
});
