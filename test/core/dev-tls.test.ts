import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { devTls, type DevFiles } from '../../src/core/dev-tls.js';
import { Metadata } from '../../src/core/metadata.js';
import { SystemClock } from '../../src/core/system-clock.js';
import { issue } from '../../src/core/x509.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { HttpTransport } from '../../src/transport/http.js';

const run = promisify(execFile);
const logger = new TestLogger();
let cache = '';
const before = { cache: process.env['XDG_CACHE_HOME'], stage: process.env['NODE_ENV'] };

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'octavo-dev-tls-'));
  process.env['XDG_CACHE_HOME'] = cache;
  delete process.env['NODE_ENV'];
  logger.records.length = 0;
});
afterEach(() => {
  rmSync(cache, { recursive: true, force: true });
  for (const [name, value] of [
    ['XDG_CACHE_HOME', before.cache],
    ['NODE_ENV', before.stage],
  ] as const)
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
});

const made = (): Promise<DevFiles> => devTls('the thing', logger);
const read = (file: string): X509Certificate => new X509Certificate(readFileSync(file));

describe("tls: 'dev'", () => {
  it('is an authority of the user and a certificate for this machine, which last', async () => {
    const { ca, cert, key } = await made();
    assert.equal(ca, join(cache, 'octavo', 'dev-tls', 'ca.pem'));
    assert.equal(key, cert);
    for (const host of ['localhost', hostname()]) assert.ok(read(cert).checkHost(host), host);
    for (const address of ['127.0.0.1', '::1']) assert.ok(read(cert).checkIP(address), address);
    assert.match((await run('openssl', ['verify', '-x509_strict', '-CAfile', ca, cert])).stdout, /OK/);
    const first = readFileSync(cert, 'utf8');
    assert.deepEqual(await made(), { ca, cert, key });
    assert.equal(readFileSync(cert, 'utf8'), first);
  });

  it('shows its keys to nobody else, and is refused where others may read them', async () => {
    const { ca, cert } = await made();
    const secret = ca.replace('.pem', '.key');
    for (const file of [secret, cert]) assert.equal(statSync(file).mode & 0o777, 0o600, file);
    assert.equal(statSync(join(cache, 'octavo', 'dev-tls')).mode & 0o077, 0);
    for (const file of [secret, cert]) {
      chmodSync(file, 0o644);
      await assert.rejects(
        made(),
        /tls: 'dev' of the thing: others may read the key in .*: delete that folder/,
      );
      chmodSync(file, 0o600);
    }
  });

  it('is one authority for all that begin at once', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, made));
    const [first] = all;
    assert.ok(first);
    assert.ok(read(first.cert).verify(read(first.ca).publicKey));
    assert.deepEqual(readdirSync(join(cache, 'octavo', 'dev-tls')).sort(), [
      'ca.key',
      'ca.pem',
      'localhost.pem',
    ]);
  });

  it('is made anew when the certificate has little to go, or is of another authority', async () => {
    const { cert } = await made();
    const soon = { from: new Date(), to: new Date(Date.now() + 24 * 60 * 60 * 1_000) };
    const old = issue({ name: 'localhost', san: ['DNS:localhost', `DNS:${hostname()}`], ...soon });
    writeFileSync(cert, old.cert + old.key);
    await made();
    assert.notEqual(readFileSync(cert, 'utf8'), old.cert + old.key);
    assert.ok(Date.parse(read(cert).validTo) > Date.now() + 300 * 24 * 60 * 60 * 1_000);
  });

  it('says so loudly each time, and names what is to be trusted by a browser', async () => {
    const { ca } = await made();
    await made();
    const said = logger.records.filter(({ level }) => level === 'warn');
    assert.equal(said.length, 2);
    assert.match(said[0]?.message ?? '', /^TLS FOR DEVELOPMENT ONLY/);
    assert.equal(said[0]?.fields['authority'], ca);
  });

  it('is refused in production, and where there is no place for it', async () => {
    process.env['NODE_ENV'] = 'production';
    await assert.rejects(
      made(),
      /tls: 'dev' of the thing: it is for development, and NODE_ENV is production/,
    );
    delete process.env['NODE_ENV'];
    const { ca } = await made();
    writeFileSync(ca, readFileSync(ca).subarray(0, 100));
    await assert.rejects(made(), /tls: 'dev' of the thing: .*dev-tls cannot be used: .*: delete it, or/);
    rmSync(join(cache, 'octavo'), { recursive: true });
    writeFileSync(join(cache, 'octavo'), 'a file');
    await assert.rejects(made(), /tls: 'dev' of the thing: .* cannot be used: .*see to its permissions/);
  });

  it('is all that two ends of a transport need', async () => {
    const parts = { clock: new SystemClock(), logger };
    const transport = new HttpTransport({ tls: 'dev' }, parts);
    await transport.start();
    try {
      const { address, secure } = await transport.listen('127.0.0.1:0', (socket) => {
        void socket.send({ header: new Metadata(), body: Buffer.from('hello') });
        socket.close();
      });
      assert.equal(secure, true);
      assert.equal(transport.options.tls, 'dev');
      for (const at of [address, address.replace('127.0.0.1', 'localhost')]) {
        const socket = await transport.dial(at);
        await socket.send({ header: new Metadata({ 'Micro-Service': 'x' }), body: new Uint8Array() });
        assert.equal(Buffer.from((await socket.receive())?.body ?? []).toString(), 'hello');
        socket.close();
      }
    } finally {
      await transport.stop();
    }
  });
});
