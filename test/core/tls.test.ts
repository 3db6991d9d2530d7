import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { OctavoError } from '../../src/core/error.js';
import { SystemClock } from '../../src/core/system-clock.js';
import { Certificates, shownTls, type Credentials, type TlsOptions } from '../../src/core/tls.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { HttpTransport } from '../../src/transport/http.js';
import { Authority } from '../support/certificates.js';
import { parts } from '../support/parts.js';

const authority = await Authority.make();
const { ca, folder } = authority;
const server = await authority.issue('server');
const other = await authority.issue('other');
const expired = await authority.issue('expired', { expired: true });
const locked = await authority.issue('locked', { passphrase: 'open sesame' });

function made(tls: TlsOptions, clock: SystemClock | VirtualClock = new SystemClock()): Certificates {
  return new Certificates('the thing', tls, { clock, logger });
}

const logger = new TestLogger();

async function file(name: string, text: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

describe('the tls options', () => {
  const pem = (path: string): string => readFileSync(path, 'utf8');
  const der = Buffer.from(pem(server.cert).replace(/-----.*-----|\s/g, ''), 'base64');
  const secret = pem(server.key).split('\n')[1] ?? '';

  const wrong: readonly (readonly [string, () => TlsOptions | Promise<TlsOptions>, RegExp])[] = [
    [
      'a file that is not there',
      () => ({ ca: '/no/such.pem' }),
      /^tls\.ca of the thing \(\/no\/such\.pem\): the file cannot be read: ENOENT.*name one that is there, or give the PEM text itself/,
    ],
    [
      'an empty text',
      () => ({ cert: '', key: server.key }),
      /^tls\.cert of the thing \(\): the file cannot be read/,
    ],
    [
      'a file of something else',
      async () => ({ ca: await file('der.pem', der) }),
      /^tls\.ca of the thing \(.*der\.pem\): it is no PEM: DER becomes PEM by "openssl x509 -inform der"/,
    ],
    ['bytes of something else', () => ({ ca: der }), /^tls\.ca of the thing \(bytes\): it is no PEM/],
    [
      'a key where a certificate should be',
      () => ({ ...server, cert: server.key }),
      /^tls\.cert of the thing \(.*server\.key\): it holds no certificate: it wants lines from -----BEGIN CERTIFICATE-----/,
    ],
    [
      'a certificate where a key should be',
      () => ({ ...server, key: server.cert }),
      /^tls\.key of the thing \(.*server\.pem\): it holds no private key: it wants lines from -----BEGIN PRIVATE KEY-----/,
    ],
    [
      'a certificate that is cut off',
      () => ({ ca: pem(ca).replace(/\n[^\n]+\n-----END/, '\n-----END') }),
      /^tls\.ca of the thing \(text\): a certificate in it is damaged/,
    ],
    [
      'a key that is cut off',
      () => ({ ...server, key: pem(server.key).replace(/\n[^\n]+\n-----END/, '\n-----END') }),
      /^tls\.key of the thing \(text\): the key is damaged/,
    ],
    [
      'a key of another certificate',
      () => ({ ...server, key: other.key }),
      /^tls\.key of the thing \(.*other\.key\): the key is not that of the certificate "CN=server" in tls\.cert of the thing \(.*server\.pem\): take the two that belong together/,
    ],
    [
      'a certificate without its key',
      () => ({ cert: server.cert }),
      /^tls\.cert of the thing: it is of no use without tls\.key: set both/,
    ],
    [
      'a key without its certificate',
      () => ({ key: server.key }),
      /^tls\.key of the thing: it is of no use without tls\.cert: set both/,
    ],
    [
      'a certificate that has expired',
      () => expired,
      /^tls\.cert of the thing \(.*expired\.pem\): the certificate "CN=expired" has expired on Feb {2}1 .* 2020 GMT: renew it/,
    ],
    [
      'an authority that has expired',
      () => ({ ca: [expired.cert] }),
      /^tls\.ca of the thing \(.*expired\.pem\): the certificate "CN=expired" has expired/,
    ],
    [
      'an encrypted key without its passphrase',
      () => locked,
      /^tls\.key of the thing \(.*locked\.key\): the key is encrypted: set tls\.passphrase/,
    ],
    [
      'a wrong passphrase',
      () => ({ ...locked, passphrase: 'a guess' }),
      /^tls\.key of the thing \(.*locked\.key\): tls\.passphrase does not open the key/,
    ],
  ];
  for (const [what, options, message] of wrong)
    it(`refuse ${what}, naming option, file and remedy`, async () => {
      const tls = await options();
      await assert.rejects(made(tls).start(), (error) => {
        assert.ok(error instanceof OctavoError);
        assert.equal(error.code, 'failed_precondition');
        assert.match(error.message, message);
        assert.doesNotMatch(
          inspect(error),
          new RegExp(`a guess|${secret.slice(0, 20).replace(/\W/g, '\\$&')}`),
        );
        return true;
      });
    });

  it('never show a key that was taken for a path', async () => {
    for (const key of [secret, `${secret}\n${secret}`, pem(server.key).replace(/-----.*-----|\s/g, '')])
      await assert.rejects(made({ ...server, key }).start(), (error: Error) => {
        assert.match(error.message, /^tls\.key of the thing \(text\): it is no PEM/);
        assert.ok(!inspect(error).includes(secret.slice(0, 20)));
        return true;
      });
  });

  it('open an encrypted key', async () => {
    const certificates = made({ ...locked, passphrase: 'open sesame' });
    await certificates.start();
    assert.match((await certificates.forServer()).key ?? '', /^-----BEGIN PRIVATE KEY-----/);
  });

  it('take a bundle in which one authority has expired', async () => {
    await made({ ca: await file('bundle.pem', pem(expired.cert) + pem(ca)) }).start();
  });

  it('want a certificate of whoever listens, and an authority of whoever asks others for theirs', async () => {
    const client = made({ ca });
    await client.start();
    assert.throws(
      () => client.forServer(),
      /^OctavoError: tls of the thing: whoever listens needs a certificate: set tls\.cert and tls\.key/,
    );
    const careless = made({ ...server, clientAuth: 'require' });
    await careless.start();
    assert.throws(() => careless.forServer(), /tls\.clientAuth of the thing: it wants tls\.ca/);
  });

  it('that a library does not have fail the start, with the reason', async () => {
    const lacking = { minVersion: 'it has none', verify: 'it always does', reload: 'it reads once' };
    const of = (tls: TlsOptions): Certificates =>
      new Certificates('the thing', tls, { clock: new SystemClock(), logger }, lacking);
    await of({ ca, minVersion: 'TLSv1.2', verify: true, reload: false }).start();
    await of({ ca }).start();
    const message = /tls\.minVersion of the thing: it is not to be had there, as it has none: leave it out/;
    await assert.rejects(of({ ca, minVersion: 'TLSv1.3' }).start(), message);
    await assert.rejects(of({ ca, verify: false }).start(), /tls\.verify of the thing/);
    for (const reload of [true, { everyMs: 1 }])
      await assert.rejects(of({ ca, reload }).start(), /tls\.reload of the thing/);
  });

  it('show neither keys nor passphrases, and paths as they are', () => {
    const tls: TlsOptions = {
      ca: [pem(ca)],
      cert: pem(server.cert) + pem(server.key),
      key: pem(server.key),
      passphrase: 'open sesame',
    };
    const transport = new HttpTransport({ tls }, parts());
    for (const shown of [
      inspect(transport, { depth: 9 }),
      JSON.stringify(transport.options),
      inspect(shownTls({ key: readFileSync(server.key) })),
    ]) {
      assert.ok(
        !shown.includes('open sesame') && !shown.includes(secret) && !shown.includes('PRIVATE KEY'),
        shown,
      );
      assert.match(shown, /\(secret\)/);
    }
    assert.deepEqual(shownTls({ ...server, ca }), { ...server, ca });
    assert.deepEqual(shownTls({ ca: [pem(ca)] }), { ca: [pem(ca)] });
    assert.equal(shownTls('dev'), 'dev');
  });
});

describe('certificates in files', () => {
  async function rotating(): Promise<{ cert: string; key: string }> {
    const pair = { cert: join(folder, 'now.pem'), key: join(folder, 'now.key') };
    await copyFile(server.cert, pair.cert);
    await copyFile(server.key, pair.key);
    return pair;
  }
  /** As it is done in earnest: a file is whole when it has its name. */
  async function replace(path: string, by: string): Promise<void> {
    await copyFile(by, `${path}.new`);
    await rename(`${path}.new`, path);
  }
  const certOf = async (certificates: Certificates): Promise<string> => {
    const { cert = '' }: Credentials = await certificates.forServer();
    return cert;
  };

  it('are looked at again when a minute has passed, and read when they have changed', async () => {
    const pair = await rotating();
    const clock = new VirtualClock();
    const certificates = made(pair, clock);
    await certificates.start();
    const first = await certificates.forServer();
    await clock.advance(60_000);
    assert.equal(await certificates.forServer(), first);
    await replace(pair.cert, other.cert);
    await replace(pair.key, other.key);
    await clock.advance(59_999);
    assert.equal(await certificates.forServer(), first);
    await clock.advance(1);
    assert.equal(await certOf(certificates), readFileSync(other.cert, 'utf8'));
  });

  it('that have changed and cannot be used are logged, and those from before go on until they can', async () => {
    const pair = await rotating();
    const clock = new VirtualClock();
    const certificates = made(pair, clock);
    await certificates.start();
    logger.records.length = 0;
    await replace(pair.cert, other.cert);
    await clock.advance(60_000);
    assert.equal(await certOf(certificates), readFileSync(server.cert, 'utf8'));
    const [said] = logger.records;
    assert.equal(said?.message, 'certificates have changed and cannot be used: those from before go on');
    assert.match(
      String((said?.fields['error'] as Error | undefined)?.message),
      /the key is not that of the certificate "CN=other"/,
    );
    await replace(pair.key, other.key);
    await clock.advance(60_000);
    assert.equal(await certOf(certificates), readFileSync(other.cert, 'utf8'));
  });

  it('are looked at as often as told, and never where told so', async () => {
    const pair = await rotating();
    const [often, never] = [made({ ...pair, reload: { everyMs: 0 } }), made({ ...pair, reload: false })];
    for (const each of [often, never]) await each.start();
    await replace(pair.cert, other.cert);
    await replace(pair.key, other.key);
    assert.equal(await certOf(often), readFileSync(other.cert, 'utf8'));
    assert.equal(await certOf(never), readFileSync(server.cert, 'utf8'));
  });

  it('are read anew when the folder that they are linked into is swapped, as Kubernetes does', async () => {
    const [one, two] = [join(folder, '..one'), join(folder, '..two')];
    for (const [version, pair] of [
      [one, server],
      [two, other],
    ] as const) {
      await mkdir(version);
      await copyFile(pair.cert, join(version, 'tls.crt'));
      await copyFile(pair.key, join(version, 'tls.key'));
    }
    const data = join(folder, '..data');
    await symlink(one, data);
    const pair = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
    for (const name of ['tls.crt', 'tls.key']) await symlink(join(data, name), join(folder, name));
    const certificates = made({ ...pair, reload: { everyMs: 0 } });
    await certificates.start();
    assert.equal(await certOf(certificates), readFileSync(server.cert, 'utf8'));
    await symlink(two, `${data}.new`);
    await rename(`${data}.new`, data);
    assert.equal(await certOf(certificates), readFileSync(other.cert, 'utf8'));
  });

  it('that are half written, or gone, are logged once for each change', async () => {
    const pair = await rotating();
    const certificates = made({ ...pair, reload: { everyMs: 0 } });
    await certificates.start();
    logger.records.length = 0;
    const whole = readFileSync(other.cert, 'utf8');
    const lines = async (): Promise<number> => {
      for (let n = 0; n < 3; n++) assert.equal(await certOf(certificates), readFileSync(server.cert, 'utf8'));
      return logger.records.length;
    };
    await writeFile(pair.cert, whole.slice(0, whole.length / 2));
    assert.equal(await lines(), 1);
    await rm(pair.cert);
    assert.equal(await lines(), 2);
    await writeFile(pair.cert, whole);
    assert.equal(await lines(), 3);
    await replace(pair.key, other.key);
    assert.equal(await certOf(certificates), whole);
    assert.deepEqual(
      logger.records.map(({ level }) => level),
      ['warn', 'warn', 'warn', 'info'],
    );
  });

  it('are had by a library that cannot wait at its second connection', async () => {
    const pair = await rotating();
    const certificates = made({ ...pair, reload: { everyMs: 0 } });
    assert.throws(() => certificates.current(), /is not started/);
    await certificates.start();
    const first = certificates.current();
    await replace(pair.cert, other.cert);
    await replace(pair.key, other.key);
    while (certificates.current() === first) await new Promise((resolve) => setImmediate(resolve));
    certificates.stop();
    assert.notEqual(certificates.current(), first);
  });

  it('are looked at by one connection at a time', async () => {
    const clock = new VirtualClock();
    const certificates = made(await rotating(), clock);
    await certificates.start();
    await clock.advance(60_000);
    const looking = certificates.forServer();
    assert.ok(looking instanceof Promise);
    assert.ok(!(certificates.forServer() instanceof Promise));
    await looking;
  });

  it('are read anew by a start after a stop', async () => {
    const pair = await rotating();
    const certificates = made(pair);
    await certificates.start();
    await replace(pair.cert, other.cert);
    await replace(pair.key, other.key);
    await certificates.start();
    assert.equal(await certOf(certificates), readFileSync(server.cert, 'utf8'));
    certificates.stop();
    assert.throws(() => certificates.forServer(), /is not started/);
    await certificates.start();
    assert.equal(await certOf(certificates), readFileSync(other.cert, 'utf8'));
  });
});
