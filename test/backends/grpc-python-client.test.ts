import { after, before, describe, it } from 'node:test';
import type { Service } from '../../src/service/service.js';
import { interopCases, runCase, type InteropCase } from '../support/grpc-interop/cases.js';
import { octavo } from '../support/grpc-interop/octavo.js';
import { PythonPeer } from '../support/grpc-interop/python.js';

for (const compression of [undefined, 'gzip'] as const)
  describe(`the grpc client, with a server of grpcio${compression ? `, ${compression}` : ''}`, () => {
    let python: PythonPeer;
    let address: string;
    let service: Service;
    before(async () => {
      python = await PythonPeer.start();
      address = await python.program.ask<string>({ do: 'serve' });
      service = octavo({ ...(compression && { compression }) });
      await service.start();
    });
    after(async () => {
      await service.stop();
      await python[Symbol.asyncDispose]();
    });

    // The names of the cases are their keys.
    for (const name of Object.keys(interopCases) as InteropCase[])
      it(name, { timeout: 10_000 }, () => runCase(name, { client: service.client, address }));
  });
