import { after, before, describe, it } from 'node:test';
import type { Service } from '../../src/service/service.js';
import { interopCases } from '../support/grpc-interop/cases.js';
import { addressOf, served } from '../support/grpc-interop/octavo.js';
import { PythonPeer } from '../support/grpc-interop/python.js';

for (const gzip of [false, true])
  describe(`the grpc server, with a client of grpcio${gzip ? ', both with gzip' : ''}`, () => {
    let python: PythonPeer;
    let service: Service;
    before(async () => {
      python = await PythonPeer.start();
      service = served({ gzip });
      await service.start();
    });
    after(async () => {
      await service.stop();
      await python[Symbol.asyncDispose]();
    });

    for (const name of Object.keys(interopCases))
      it(name, { timeout: 20_000 }, async () => {
        await python.program.ask({ do: 'case', name, address: addressOf(service), gzip });
      });
  });
