import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import type { Service } from '../../src/service/service.js';
import { Authority } from '../support/certificates.js';
import { interopCases, runCase, type InteropCase } from '../support/grpc-interop/cases.js';
import { startGrpcGo, type Foreign } from '../support/grpc-interop/foreign.js';
import { octavo } from '../support/grpc-interop/octavo.js';

describe('the grpc client, with the interop server of grpc-go', () => {
  let go: Foreign;
  let service: Service;
  before(async () => {
    go = await startGrpcGo();
    service = octavo();
    await service.start();
  });
  after(async () => {
    await service.stop();
    await go.server.kill();
  });

  // The names of the cases are their keys.
  for (const name of Object.keys(interopCases) as InteropCase[])
    it(name, { timeout: 10_000 }, () => runCase(name, { client: service.client, address: go.address }));
});

describe('the grpc client over TLS, with the interop server of grpc-go', () => {
  it('calls it where its certificate is known, and says what is wrong where it is not', async () => {
    const authority = await Authority.make();
    const { cert, key } = await authority.issue('server');
    const { server, address } = await startGrpcGo(
      '--use_tls',
      '--tls_cert_file',
      cert,
      '--tls_key_file',
      key,
    );
    const knowing = octavo({ tls: { ca: authority.ca } });
    const stranger = octavo({ tls: {} });
    await Promise.all([knowing.start(), stranger.start()]);
    await runCase('large_unary', { client: knowing.client, address });
    await runCase('ping_pong', { client: knowing.client, address });
    await assert.rejects(
      runCase('empty_unary', { client: stranger.client, address }),
      (reason) => reason instanceof OctavoError && reason.code === 'unavailable' && /ca/.test(reason.message),
    );
    await Promise.all([knowing.stop(), stranger.stop()]);
    await server.kill();
  });
});
