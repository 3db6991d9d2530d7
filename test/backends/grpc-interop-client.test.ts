import { after, before, describe, it } from 'node:test';
import type { Service } from '../../src/service/service.js';
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
