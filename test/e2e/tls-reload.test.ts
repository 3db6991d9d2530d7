import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describe, it } from 'node:test';
import { grpc as grpcServer } from '../../src/server/grpc.js';
import { http as httpServer } from '../../src/server/http.js';
import type { Client } from '../../src/client/client.js';
import { grpc as grpcClient } from '../../src/client/grpc.js';
import { http as httpClient } from '../../src/client/http.js';
import type { Provider } from '../../src/core/provider.js';
import type { Tls } from '../../src/core/tls.js';
import type { Server } from '../../src/server/server.js';
import { ProbeClient } from '../conformance/probe.js';
import { Authority, type Pair } from '../support/certificates.js';
import { probeSubject } from '../support/probe-subject.js';

/** A server and a client of one wire, with certificates that may change. */
interface Wire {
  readonly server: (tls: Exclude<Tls, 'dev'>) => Provider<Server>;
  readonly client: (ca: string) => Provider<Client>;
}

const WIRES: Readonly<Record<string, Wire>> = {
  gRPC: { server: (tls) => grpcServer({ tls }), client: (ca) => grpcClient({ tls: { ca } }) },
  'http, by HTTP/1.1': { server: (tls) => httpServer({ tls }), client: (ca) => httpClient({ tls: { ca } }) },
  'http, by HTTP/2': {
    server: (tls) => httpServer({ tls }),
    client: (ca) => httpClient({ version: '2', tls: { ca } }),
  },
};

/** The common name that a new connection is shown. */
function shown(address: string): Promise<string> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((resolve, reject) => {
    const socket = connect(
      { host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] },
      () => {
        resolve(socket.getPeerCertificate().subject.CN as string); // it has one
        socket.destroy();
      },
    );
    socket.once('error', reject);
  });
}

for (const [name, { server, client }] of Object.entries(WIRES))
  describe(`a certificate that is replaced under ${name}`, () => {
    it('is shown to who dials from then on, and drops no call', async () => {
      const authority = await Authority.make();
      const before = await authority.issue('before');
      const later = await authority.issue('later');
      const files: Pair = {
        cert: join(authority.folder, 'live.pem'),
        key: join(authority.folder, 'live.key'),
      };
      const put = async ({ cert, key }: Pair): Promise<void> => {
        await copyFile(cert, files.cert);
        await copyFile(key, files.key);
      };
      await put(before);
      const subject = probeSubject({
        server: server({ ...files, reload: { everyMs: 0 } }),
        client: client(authority.ca),
        another: () => assert.fail('there is one'),
        clientFirst: true,
      });
      await subject.start?.();
      try {
        const probe = new ProbeClient(subject.client);
        const held = probe.count({ count: 1_000 })[Symbol.asyncIterator]();
        assert.equal((await held.next()).value?.count, 1);
        assert.equal(await shown(subject.address), 'before');
        await put(later);
        let now = '';
        for (let n = 0; n < 10 && now !== 'later'; n++) now = await shown(subject.address);
        assert.equal(now, 'later');
        for (let n = 2; n <= 1_000; n++) assert.equal((await held.next()).value?.count, n);
        assert.equal((await probe.echo({ count: 7 })).count, 7);
      } finally {
        await subject.stop?.();
      }
    });
  });
