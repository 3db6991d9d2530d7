import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { SignJWT } from 'jose';
import { OctavoError } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { jwt, type JwksOptions } from '../../src/wrapper/jwt.js';
import { Issuer } from '../support/issuer.js';
import { aCall } from '../support/wrapping.js';

/** A guard of an issuer's, and what becomes of a token there. */
class Gate {
  readonly clock = new VirtualClock();
  readonly issuer: Issuer;
  readonly go: (token: string) => Promise<string>;

  private constructor(clock: VirtualClock, issuer: Issuer, go: Gate['go']) {
    this.clock = clock;
    this.issuer = issuer;
    this.go = go;
  }

  static async open(more: Omit<JwksOptions, 'url'> = {}, rememberMs = 0): Promise<Gate> {
    const clock = new VirtualClock();
    const issuer = await Issuer.start(clock);
    const guard = await jwt({ jwks: { url: issuer.url, ...more }, clockSkewMs: 0, rememberMs });
    return new Gate(clock, issuer, (token) =>
      guard(aCall(clock, { metadata: new Metadata({ authorization: `Bearer ${token}` }) }), async () => ({
        body: undefined,
      })).then(
        () => 'ok',
        (reason: unknown) => {
          const { code, message, executed, retryAfterMs } = OctavoError.from(reason);
          assert.equal(executed, false);
          assert.doesNotMatch(message, /127\.0\.0\.1/);
          return retryAfterMs === undefined ? code : `${code} ${retryAfterMs}`;
        },
      ),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.issuer[Symbol.asyncDispose]();
  }
}

const DAY = 86_400_000;

describe('the key set of jwt', () => {
  it('is asked for once, whoever waits, when the first token comes', async () => {
    await using gate = await Gate.open();
    const { issuer } = gate;
    assert.equal(issuer.asked, 0);
    const token = await issuer.token();
    const all = await Promise.all(Array.from({ length: 50 }, () => gate.go(token)));
    assert.deepEqual([new Set(all), issuer.asked], [new Set(['ok']), 1]);
    assert.equal(await gate.go(token), 'ok');
    assert.equal(issuer.asked, 1);
  });

  it('is asked for again for a key that nobody knows, once in a while', async () => {
    await using gate = await Gate.open({ cooldownMs: 30_000 });
    const { issuer, clock } = gate;
    assert.equal(await gate.go(await issuer.token()), 'ok');
    await issuer.rotate();
    const token = await issuer.token();
    // Those who make keys up cannot have it asked all the time.
    assert.equal(await gate.go(token), 'unauthenticated');
    assert.equal(issuer.asked, 1);
    await clock.advance(30_000);
    const all = await Promise.all(Array.from({ length: 20 }, () => gate.go(token)));
    assert.deepEqual([new Set(all), issuer.asked], [new Set(['ok']), 2]);
    const made = await issuer.token({ header: { kid: 'made-up' } });
    for (let n = 0; n < 20; n++) assert.equal(await gate.go(made), 'unauthenticated');
    assert.equal(issuer.asked, 2);
    await clock.advance(30_000);
    for (let n = 0; n < 20; n++) assert.equal(await gate.go(made), 'unauthenticated');
    assert.equal(issuer.asked, 3);
  });

  it('is renewed while calls go on, so that a key that was taken back counts no longer', async () => {
    await using gate = await Gate.open({ refreshMs: 60_000 });
    const { issuer, clock } = gate;
    const old = await issuer.token({ forMs: DAY });
    assert.equal(await gate.go(old), 'ok');
    await issuer.rotate();
    await clock.advance(59_000);
    assert.equal(await gate.go(old), 'ok');
    assert.equal(issuer.asked, 1);
    let release = (): void => {};
    issuer.hold = new Promise((resolve) => (release = resolve));
    await clock.advance(1_000);
    // It waits for nobody.
    assert.equal(await gate.go(old), 'ok');
    release();
    while ((await gate.go(old)) === 'ok') await clock.advance(0);
    assert.equal(await gate.go(await issuer.token()), 'ok');
    assert.equal(issuer.asked, 2);
  });

  it('is not asked about a token that was verified just now', async () => {
    await using gate = await Gate.open({ refreshMs: 1_000, cooldownMs: 0 }, 60_000);
    const { issuer, clock } = gate;
    const [long, short] = [await issuer.token({ forMs: DAY }), await issuer.token({ forMs: 30_000 })];
    assert.deepEqual([await gate.go(long), await gate.go(short)], ['ok', 'ok']);
    await issuer.rotate();
    await clock.advance(29_000);
    assert.deepEqual([await gate.go(long), await gate.go(short), issuer.asked], ['ok', 'ok', 1]);
    // It is not good beyond its end.
    await clock.advance(1_000);
    assert.deepEqual([await gate.go(long), await gate.go(short)], ['ok', 'unauthenticated']);
    await clock.advance(30_000);
    assert.equal(await gate.go(long), 'unauthenticated');
  });

  it('serves on while the issuer is down, and not for ever', async () => {
    await using gate = await Gate.open({ refreshMs: 60_000, maxStaleMs: 600_000 });
    const { issuer, clock } = gate;
    const token = await issuer.token({ forMs: DAY });
    assert.equal(await gate.go(token), 'ok');
    await issuer.down();
    for (let minute = 0; minute < 9; minute++) {
      await clock.advance(60_000);
      assert.equal(await gate.go(token), 'ok');
    }
    await clock.advance(60_000);
    assert.match(await gate.go(token), /^unavailable \d+$/);
    await issuer.up();
    await clock.advance(30_000);
    assert.equal(await gate.go(token), 'ok');
  });

  it('that could never be had is asked for again after a pause, and calls are told when', async () => {
    await using gate = await Gate.open();
    const { issuer, clock } = gate;
    const token = await issuer.token({ forMs: DAY });
    issuer.answer = { status: 503, body: '{}' };
    for (const pause of [1_000, 2_000, 4_000]) {
      const { asked } = issuer;
      assert.equal(await gate.go(token), `unavailable ${pause}`);
      assert.equal(await gate.go(token), `unavailable ${pause}`);
      assert.equal(issuer.asked, asked + 1);
      await clock.advance(pause);
    }
    issuer.answer = undefined;
    assert.equal(await gate.go(token), 'ok');
  });

  it('that is no key set is none, and one that was there stays', async () => {
    await using gate = await Gate.open({ refreshMs: 1_000, cooldownMs: 1_000 });
    const { issuer, clock } = gate;
    const token = await issuer.token({ forMs: DAY });
    const many = { keys: Array.from({ length: 101 }, () => issuer.shown) };
    const answers = ['', 'no JSON', 'null', '7', '{}', '{"keys":7}', '{"keys":[7]}', JSON.stringify(many)];
    answers.push(`{"keys":[],"x":"${'x'.repeat(2_000_000)}"}`);
    for (const body of answers) {
      issuer.answer = { status: 200, body };
      assert.match(await gate.go(token), /^unavailable/, body.slice(0, 20));
      await clock.advance(60_000);
    }
    issuer.answer = undefined;
    assert.equal(await gate.go(token), 'ok');
    for (const body of answers) {
      issuer.answer = { status: 200, body };
      await clock.advance(60_000);
      assert.equal(await gate.go(token), 'ok');
      await clock.advance(1);
    }
  });

  it('that answers too late is given up', async () => {
    await using gate = await Gate.open({ timeoutMs: 3_000 });
    const { issuer, clock } = gate;
    let release = (): void => {};
    issuer.hold = new Promise((resolve) => (release = resolve));
    const going = gate.go(await issuer.token());
    while (issuer.asked === 0) await clock.advance(0);
    await clock.advance(3_000);
    assert.match(await going, /^unavailable/);
    release();
  });

  it('with keys that are no good, or have no ids, is of use for the rest', async () => {
    await using gate = await Gate.open();
    const { issuer, clock } = gate;
    const { kid, alg, ...good } = issuer.shown;
    assert.ok(kid !== undefined && alg !== undefined);
    const others = [
      { kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA' },
      { kty: 'oct', k: 'c2VjcmV0', alg: 'HS256' },
      { kty: 'EC', crv: 'P-256K' },
      { kty: 7 },
      {},
    ];
    issuer.answer = { status: 200, body: JSON.stringify({ keys: [...others, good] }) };
    const token = await issuer.token({ header: { kid: undefined } });
    assert.equal(await gate.go(token), 'ok');
    await clock.advance(0);
    // Whoever has many keys and names none cannot be told by trying all of them.
    await using crowded = await Gate.open();
    const strangers = Array.from({ length: 20 }, () =>
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
    );
    const keys = [...strangers, good];
    crowded.issuer.answer = { status: 200, body: JSON.stringify({ keys }) };
    assert.equal(await crowded.go(token), 'unauthenticated');
  });

  it('with secrets in it gives none away to those who sign by them', async () => {
    await using gate = await Gate.open();
    const { issuer } = gate;
    issuer.answer = {
      status: 200,
      body: JSON.stringify({
        keys: [{ kty: 'oct', k: Buffer.alloc(64).toString('base64url'), alg: 'HS256' }],
      }),
    };
    const token = await new SignJWT({ sub: 'eve', exp: 1e11 })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.alloc(64));
    assert.equal(await gate.go(token), 'unauthenticated');
  });
});
