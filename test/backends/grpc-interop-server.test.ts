import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parseAddress } from '../../src/core/address.js';
import type { Service } from '../../src/service/service.js';
import { Authority } from '../support/certificates.js';
import { interopCases } from '../support/grpc-interop/cases.js';
import { addressOf, served } from '../support/grpc-interop/octavo.js';

const run = promisify(execFile);

/** Has grpc-go's own interop client run a case. Rejects with what it says where that fails. */
async function runGrpcGo(service: Service, name: string, ...more: readonly string[]): Promise<void> {
  const { host, port } = parseAddress(addressOf(service));
  const at = ['--server_host', host, '--server_port', String(port)];
  await run('grpc-interop-client', [...at, '--test_case', name, ...more], { timeout: 20_000 });
}

describe('the grpc server, with the interop client of grpc-go', () => {
  let service: Service;
  before(async () => {
    service = served();
    await service.start();
  });
  after(() => service.stop());

  for (const name of Object.keys(interopCases)) it(name, () => runGrpcGo(service, name));
});

describe('the grpc server over TLS, with the interop client of grpc-go', () => {
  it('is called by who knows its authority', async () => {
    const authority = await Authority.make();
    const service = served({ tls: await authority.issue('server') });
    await service.start();
    for (const name of ['large_unary', 'ping_pong'])
      await runGrpcGo(service, name, '--use_tls', '--use_test_ca', '--ca_file', authority.ca);
    await service.stop();
  });
});
