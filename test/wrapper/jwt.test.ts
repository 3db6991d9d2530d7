import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { describe, it, test } from 'node:test';
import { SignJWT } from 'jose';
import type { Principal } from '../../src/core/context.js';
import { OctavoError } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { jwt, type JwtOptions } from '../../src/wrapper/jwt.js';
import type { Call, Wrapper } from '../../src/wrapper/wrapper.js';
import { conform } from '../conformance/conform.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { Issuer } from '../support/issuer.js';
import { aCall, has } from '../support/wrapping.js';

const secret = randomBytes(64);
const refused = has('unauthenticated', { executed: false });

/** A call with a token. */
function bearing(clock: VirtualClock, token: string | undefined, more: Partial<Call> = {}): Call {
  const metadata = new Metadata(token === undefined ? undefined : { Authorization: `Bearer ${token}` });
  return aCall(clock, { ...more, metadata });
}

/** Whom a wrapper takes the bearer of a token for. */
async function seen(wrapper: Wrapper, call: Call): Promise<Principal | undefined> {
  let principal: Principal | undefined;
  await wrapper(call, async ({ context }) => {
    principal = context.principal;
    return { body: undefined };
  });
  return principal;
}

/** Why it is refused; it shows nothing of the token. */
async function reason(wrapper: Wrapper, call: Call): Promise<string> {
  let begun = false;
  const error = await wrapper(call, async () => {
    begun = true;
    return { body: undefined };
  }).then(
    () => assert.fail('it was let in'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof OctavoError);
  assert.deepEqual([error.executed, begun], [false, false]);
  const parts = (call.metadata.get('authorization') ?? '').split(/[ .]/).filter((part) => part.length > 8);
  const shown = `${error.message} ${JSON.stringify(error.details)} ${String(error.cause)}`;
  for (const part of parts) assert.ok(!shown.includes(part), shown);
  return `${error.code}: ${error.message}`;
}

/** A token that somebody made by hand, of whatever parts. */
function forged(header: object, claims: object, sign: (text: string) => Buffer): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${sign(text).toString('base64url')}`;
}

function signed(
  clock: VirtualClock,
  alg: string,
  key: KeyObject | Uint8Array,
  claims: object = {},
): Promise<string> {
  const exp = Math.floor(clock.now() / 1_000) + 60;
  return new SignJWT({ sub: 'ada', exp, ...claims }).setProtectedHeader({ alg }).sign(key);
}

describe('jwt', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, async () => {
    const guard = await jwt({ keys: [{ secret }] });
    const token = await new SignJWT({ sub: 'ada', exp: 1e11 })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(secret);
    return {
      wrapper: (call, next) => {
        call.metadata.set('authorization', `Bearer ${token}`);
        return guard(call, next);
      },
    };
  });

  it('takes tokens of every algorithm by a key that is for it, and by no other', async () => {
    const clock = new VirtualClock();
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' });
    const ed = generateKeyPairSync('ed25519');
    const keys = [rsa, p256, p384, p521, ed];
    const guard = await jwt({
      keys: [
        ...keys.map(({ publicKey }, at) =>
          at % 2 === 0
            ? { pem: publicKey.export({ type: 'spki', format: 'pem' }) as string }
            : { jwk: publicKey.export({ format: 'jwk' }) as Record<string, unknown> },
        ),
        { secret },
      ],
    });
    const by = {
      RS256: rsa,
      RS384: rsa,
      RS512: rsa,
      PS256: rsa,
      PS384: rsa,
      PS512: rsa,
      ES256: p256,
      ES384: p384,
      ES512: p521,
      EdDSA: ed,
      Ed25519: ed,
    };
    for (const [alg, { privateKey }] of Object.entries(by)) {
      const token = await signed(clock, alg, privateKey);
      assert.equal((await seen(guard, bearing(clock, token)))?.subject, 'ada', alg);
    }
    for (const alg of ['HS256', 'HS384', 'HS512'])
      assert.equal((await seen(guard, bearing(clock, await signed(clock, alg, secret))))?.subject, 'ada');
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    assert.match(
      await reason(guard, bearing(clock, await signed(clock, 'RS256', other))),
      /the signature of the token is wrong/,
    );
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const lax = await jwt({
      keys: [{ pem: weak.publicKey.export({ type: 'spki', format: 'pem' }) as string }],
    });
    const header = { alg: 'RS256' };
    const text = forged(header, { sub: 'ada', exp: 1e11 }, () => Buffer.alloc(128));
    await reason(lax, bearing(clock, text));
  });

  it('takes no public key for a secret, and nothing that is not signed', async () => {
    const clock = new VirtualClock();
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
    const claims = { sub: 'eve', exp: 1e11 };
    for (const options of [{ keys: [{ pem }] }, { keys: [{ pem }, { secret }] }] satisfies JwtOptions[]) {
      const guard = await jwt(options);
      for (const key of [pem, pem.trim(), publicKey.export({ type: 'spki', format: 'der' })])
        for (const alg of ['HS256', 'HS384', 'HS512']) {
          const hmac = (text: string): Buffer =>
            createHmac(`sha${alg.slice(2)}`, key)
              .update(text)
              .digest();
          await reason(guard, bearing(clock, forged({ alg }, claims, hmac)));
        }
      for (const alg of ['none', 'None', 'NONE', 'nOnE', '', undefined, null, 7])
        await reason(
          guard,
          bearing(
            clock,
            forged({ alg }, claims, () => Buffer.alloc(0)),
          ),
        );
      // With a key of its own beside it, which nobody asked for.
      const jwk = publicKey.export({ format: 'jwk' });
      await reason(
        guard,
        bearing(
          clock,
          forged({ alg: 'RS256', jwk }, claims, () => randomBytes(256)),
        ),
      );
    }
    const listed = await jwt({ keys: [{ secret }], algorithms: ['HS512'] });
    assert.match(await reason(listed, bearing(clock, await signed(clock, 'HS256', secret))), /"alg"/);
  });

  it('says why, and nothing of the token', async () => {
    const clock = new VirtualClock();
    await using issuer = await Issuer.start(clock);
    const issued = 'https://issuer.test';
    const guard = await jwt({ jwks: issuer.url, issuer: issued, audience: ['desk', 'shelf'], typ: 'at+jwt' });
    const typ = { typ: 'at+jwt' };
    const why = async (
      claims: Record<string, unknown>,
      header: Record<string, unknown> = typ,
    ): Promise<string> => reason(guard, bearing(clock, await issuer.token({ claims, header })));
    const now = clock.now() / 1_000;
    assert.match(
      await why({ exp: now - 6 }),
      /^unauthenticated: Probe\.Echo: the token has expired \(jwt\)$/,
    );
    assert.match(await why({ nbf: now + 6 }), /not good yet/);
    assert.match(await why({ iss: 'https://other.test' }), /another issuer/);
    assert.match(await why({ aud: 'other-service' }), /somebody else/);
    assert.match(await why({}, { typ: 'JWT-of-another-kind' }), /another kind/);
    assert.match(await why({ exp: undefined }), /does not say "exp"/);
    assert.match(await why({ sub: undefined }), /names nobody/);
    assert.match(await why({ sub: 7 }), /names nobody/);
    assert.match(await why({ exp: 'tomorrow-at-noon' }), /wrong "exp"/);
    assert.match(await reason(guard, bearing(clock, undefined)), /there is no token/);
    assert.match(await reason(guard, bearing(clock, 'x'.repeat(10_000))), /longer than 8192 bytes/);
    const [, body = ''] = (await issuer.token({ header: typ })).split('.');
    assert.match(await reason(guard, bearing(clock, body)), /is no JSON Web Token/);
    for (const scheme of ['Basic abcdefghijkl', 'abcdefghijkl', 'Bearer', 'Bearer a b', 'Bearer é'])
      assert.match(
        await reason(guard, aCall(clock, { metadata: new Metadata({ authorization: scheme }) })),
        /is not "Bearer" and one token/,
      );
    const good = await issuer.token({ header: typ });
    const two = bearing(clock, good);
    two.metadata.append('authorization', `Bearer ${good}`);
    assert.match(await reason(guard, two), /is not "Bearer" and one token/);
    const lower = aCall(clock, { metadata: new Metadata({ authorization: `bearer ${good}` }) });
    assert.equal((await seen(guard, lower))?.subject, 'ada');
  });

  it('takes the time from the clock of the app, and allows for clocks that differ', async () => {
    const clock = new VirtualClock();
    await using issuer = await Issuer.start(clock);
    const guard = await jwt({ jwks: issuer.url, clockSkewMs: 3_000 });
    const nbf = clock.now() / 1_000 + 2;
    const token = await issuer.token({ claims: { nbf }, forMs: 10_000 });
    await seen(guard, bearing(clock, token));
    await clock.advance(12_000);
    await seen(guard, bearing(clock, token));
    await clock.advance(1_000);
    assert.match(await reason(guard, bearing(clock, token)), /has expired/);
  });

  it('makes the token’s claims and roles the principal, and keeps the certificate visible', async () => {
    const clock = new VirtualClock();
    const guard = await jwt({ keys: [{ secret }], roles: 'scope' });
    const token = await signed(clock, 'HS256', secret, {
      scope: 'read write',
      tenant: 7,
      subject: 'eve',
      nested: { list: [1] },
    });
    const certificate = { subject: 'CN=desk', san: ['DNS:desk.local'], fingerprint256: 'AB' };
    const call = bearing(clock, token);
    Object.assign(call.context, { peer: { address: '', octavo: true, certificate } });
    const principal = (await seen(guard, call)) ?? assert.fail();
    assert.deepEqual(
      [principal.subject, principal['tenant'], principal['roles']],
      ['ada', 7, ['read', 'write']],
    );
    assert.deepEqual(call.context.peer.certificate, certificate);
    assert.ok(Object.isFrozen(principal) && Object.isFrozen(principal['roles']));
    // Many calls see it.
    const { list } = principal['nested'] as { list: unknown[] };
    assert.ok(Object.isFrozen(list));
    assert.equal(await seen(guard, bearing(clock, token)), principal);
  });

  it('lets in who has one of the roles, wherever the token has them', async () => {
    const clock = new VirtualClock();
    const access = ['admin', 'owner'];
    const has = async (claims: object, roles?: JwtOptions['roles']): Promise<boolean> => {
      const guard = await jwt({ keys: [{ secret }], ...(roles !== undefined && { roles }) });
      const call = bearing(clock, await signed(clock, 'HS256', secret, claims), { access });
      return seen(guard, call).then(
        () => true,
        (error: OctavoError) => {
          assert.deepEqual([error.code, error.executed], ['permission_denied', false]);
          assert.match(error.message, /is for admin or owner \(@Allow\)/);
          return false;
        },
      );
    };
    assert.equal(await has({ roles: ['user', 'owner'] }), true);
    assert.equal(await has({ roles: 'user admin' }), true);
    assert.equal(await has({ groups: ['admin'] }, 'groups'), true);
    assert.equal(
      await has({ realm_access: { roles: ['admin'] } }, (claims) => {
        const { roles } = claims['realm_access'] as { roles: string[] };
        return roles;
      }),
      true,
    );
    for (const roles of [
      undefined,
      [],
      ['user'],
      'administrator',
      7,
      [['admin']],
      { admin: true },
      ['ADMIN'],
    ])
      assert.equal(await has({ roles }), false);
    // What every object has is no claim.
    assert.equal(await has({}, 'constructor'), false);
  });

  it('lets everybody in where that is said, by name where the token is good', async () => {
    const clock = new VirtualClock();
    const guard = await jwt({ keys: [{ secret }], open: ['Probe.Echo'] });
    const token = await signed(clock, 'HS256', secret);
    const wrong = await signed(clock, 'HS256', randomBytes(64));
    for (const more of [{ access: 'public' as const }, {}]) {
      assert.equal(await seen(guard, bearing(clock, undefined, more)), undefined);
      assert.equal(await seen(guard, bearing(clock, wrong, more)), undefined);
      assert.equal((await seen(guard, bearing(clock, token, more)))?.subject, 'ada');
    }
    // The code goes before the list.
    await assert.rejects(
      guard(bearing(clock, undefined, { access: ['admin'] }), async () => assert.fail()),
      refused,
    );
    await assert.rejects(
      guard(bearing(clock, undefined, { endpoint: 'Probe.Again' }), async () => assert.fail()),
      refused,
    );
  });

  it('refuses keys that are none, without showing them', async () => {
    const wrong = async (options: JwtOptions, said: RegExp): Promise<void> => {
      await assert.rejects(jwt(options), (error) => {
        assert.ok(error instanceof OctavoError);
        assert.match(error.message, said);
        assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /hunter2/);
        return error.code === 'invalid_argument';
      });
    };
    await wrong({}, /either "jwks" or "keys"/);
    await wrong({ jwks: 'https://x.test/', keys: [] }, /either "jwks" or "keys"/);
    await wrong({ keys: [] }, /"keys" is empty/);
    await wrong({ keys: [{ secret: 'hunter2' }] }, /a secret of 7 bytes/);
    await wrong(
      { keys: [{ secret: `-----BEGIN PUBLIC KEY-----hunter2${'x'.repeat(99)}` }] },
      /PEM as its secret/,
    );
    await wrong({ keys: [{ pem: 'hunter2' }] }, /keys\[0\] is no public key/);
    await wrong({ keys: [{ jwk: { kty: 'oct', k: 'hunter2' } }] }, /is a secret/);
    await wrong({ keys: [{ jwk: { kty: 'RSA', n: 'hunter2' } }] }, /keys\[0\] is no public key/);
    await wrong({ jwks: 'issuer/keys' }, /is no URL/);
    await wrong({ jwks: 'file:///keys' }, /is no URL/);
    await wrong({ jwks: 'http://10.0.0.7/keys' }, /use https/);
    await wrong({ jwks: 'http://localhost.evil.test/keys' }, /use https/);
    await wrong({ jwks: 'https://x.test/', algorithms: ['HS256'] }, /give HS algorithms with "keys"/);
  });

  it('stands around no client', async () => {
    const guard = await jwt({ keys: [{ secret }] });
    assert.match(guard.unfit?.({ around: 'call', name: 'a client' }) ?? '', /put it on a server/);
    assert.equal(guard.unfit?.({ around: 'subscriber', name: 'a' }), undefined);
  });
});
