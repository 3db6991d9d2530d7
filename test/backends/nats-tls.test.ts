import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ANY, echo } from '../conformance/transport/talk.js';
import { Bench, failure, works } from '../support/nats-bench.js';

let folder: string;
const at = (name: string): string => join(folder, name);
const bytes = (name: string): Buffer => readFileSync(at(name));

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'octavo-tls-'));
  const openssl = (...args: string[]): unknown =>
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const key = (name: string): string[] => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    `${name}.key`,
  ];
  openssl('req', '-x509', ...key('ca'), '-out', 'ca.pem', '-days', '2', '-subj', '/CN=ca');
  for (const name of ['server', 'client'])
    openssl(
      ...['req', '-x509', ...key(name), '-out', `${name}.pem`, '-days', '2', '-subj', `/CN=${name}`],
      ...[
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-addext',
        'subjectAltName=IP:127.0.0.1,DNS:localhost',
        '-addext',
        'basicConstraints=critical,CA:FALSE',
      ],
    );
});
after(() => rmSync(folder, { recursive: true, force: true }));

const OVER_TLS = (): string[] => ['--tls', '--tlscert', at('server.pem'), '--tlskey', at('server.key')];

describe('the nats transport over TLS', () => {
  it('trusts a server by an authority given as a path, text or bytes', () =>
    Bench.with(
      async (bench) => {
        for (const ca of [at('ca.pem'), bytes('ca.pem').toString(), bytes('ca.pem')]) {
          const transport = await bench.started({ tls: { ca } });
          await works(transport, await transport.listen(ANY, echo));
        }
      },
      { args: OVER_TLS() },
    ));

  it('refuses a server that nobody it knows has signed, unless it is told not to look', () =>
    Bench.with(
      async (bench) => {
        const error = await failure(() => bench.make({ connectTimeoutMs: 300 }).start());
        assert.equal(error.code, 'unavailable');
        assert.match(error.message, /certificate/);
        await bench.started({ tls: { verify: false } });
      },
      { args: OVER_TLS() },
    ));

  it('insists on it where it is asked for, and the server has none', () =>
    Bench.with(async (bench) => {
      for (const options of [{ tls: {} }, { addresses: [`tls://${bench.server.address}`] }]) {
        const error = await failure(() => bench.make({ ...options, connectTimeoutMs: 300 }).start());
        assert.match(error.message, /does not support 'tls'/);
      }
    }));

  it('shows its own certificate to a server that asks for it', () =>
    Bench.with(
      async (bench) => {
        const ca = at('ca.pem');
        assert.equal(
          (await failure(() => bench.make({ tls: { ca }, connectTimeoutMs: 300 }).start())).code,
          'unavailable',
        );
        await bench.started({ tls: { ca, cert: bytes('client.pem'), key: bytes('client.key').toString() } });
      },
      { args: [...OVER_TLS(), '--tlscacert', at('ca.pem'), '--tlsverify'] },
    ));

  it('names a file that it cannot read', () =>
    Bench.with(async (bench) => {
      const error = await failure(() => bench.make({ tls: { ca: '/nowhere/ca.pem' } }).start());
      assert.equal(error.code, 'failed_precondition');
      assert.match(error.message, /tls\.ca.*\/nowhere\/ca\.pem/);
    }));
});
