import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { oid, time } from '../../src/core/der.js';
import { issue, type Issuer } from '../../src/core/x509.js';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'octavo-x509-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const always = { from: new Date('2020-01-01T00:00:00Z'), to: new Date('2060-12-31T23:59:59Z') };
const name = 'an authority, with a comma & ü';
const authority: Issuer = { name, ...issue({ name, authority: true, ...always }) };

function file(text: string): string {
  const path = join(folder, `${Math.random()}.pem`);
  writeFileSync(path, text);
  return path;
}

describe('a certificate that is made here', () => {
  it('is found good by OpenSSL, by its strict rules, for servers and clients', async () => {
    const long = Array.from({ length: 40 }, (_, n) => `DNS:a-rather-long-name-${n}.example.org`);
    for (const san of [[], ['DNS:localhost', 'IP:127.0.0.1', 'IP:::1'], long]) {
      const leaf = issue({ name: 'leaf', san, by: authority, ...always });
      const [ca, cert] = [file(authority.cert), file(leaf.cert)];
      for (const purpose of ['sslserver', 'sslclient']) {
        const args = ['verify', '-x509_strict', '-check_ss_sig', '-purpose', purpose, '-CAfile', ca, cert];
        assert.match((await run('openssl', args)).stdout, /: OK$/m);
      }
    }
  });

  it('says what it was told, of the names and the time, and belongs to its key', () => {
    const san = ['DNS:localhost', 'IP:10.0.0.7', 'IP:fe80::1', 'URI:spiffe://a/b', 'email:a@b.c'];
    const { cert, key } = issue({ name: 'desk', san, by: authority, ...always });
    const read = new X509Certificate(cert);
    assert.equal(read.subject, 'CN=desk');
    assert.equal(
      read.subjectAltName,
      'DNS:localhost, IP Address:10.0.0.7, IP Address:FE80:0:0:0:0:0:0:1, URI:spiffe://a/b, email:a@b.c',
    );
    assert.deepEqual(
      [Date.parse(read.validFrom), Date.parse(read.validTo)],
      [Number(always.from), Number(always.to)],
    );
    assert.ok(read.checkPrivateKey(createPrivateKey(key)));
    assert.ok(read.verify(new X509Certificate(authority.cert).publicKey));
    assert.deepEqual([read.ca, new X509Certificate(authority.cert).ca], [false, true]);
    assert.ok(read.checkIssued(new X509Certificate(authority.cert)));
  });

  it('has a number of its own', () => {
    const numbers = Array.from({ length: 20 }, () => {
      return new X509Certificate(issue({ name: 'x', ...always }).cert).serialNumber;
    });
    assert.equal(new Set(numbers).size, numbers.length);
  });

  it('is refused a name that cannot be written', () => {
    for (const san of ['localhost', 'IP:localhost', 'HOST:a'])
      assert.throws(() => issue({ name: 'x', san: [san], ...always }), TypeError);
  });
});

describe('DER', () => {
  it('writes numbers of kinds and moments as X.690 has them', () => {
    assert.equal(oid('2.5.29.17').toString('hex'), '0603551d11');
    assert.equal(oid('1.2.840.10045.4.3.2').toString('hex'), '06082a8648ce3d040302');
    assert.equal(time(new Date('2049-12-31T23:59:59Z')).toString('latin1'), '\x17\x0d491231235959Z');
    assert.equal(time(new Date('2050-01-01T00:00:00Z')).toString('latin1'), '\x18\x0f20500101000000Z');
  });
});
