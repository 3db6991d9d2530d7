import { describe, test } from 'node:test';
import { http } from '../../src/transport/http.js';
import { memory } from '../../src/transport/memory.js';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform } from '../conformance/conform.js';
import { serverSuite, type ServerSubject } from '../conformance/server.js';
import { rpcSubject } from '../support/rpc-subject.js';

const TYPES = ['application/protobuf', 'application/json'];
const TRANSPORTS = { http: http(), memory: memory() };

for (const [name, transport] of Object.entries(TRANSPORTS))
  for (const contentType of TYPES) {
    describe(`RpcClient over ${name}, ${contentType}`, () => {
      conform<CallSubject, typeof clientSuite>(test, clientSuite, () => rpcSubject(transport, contentType));
    });
    describe(`RpcServer over ${name}, ${contentType}`, () => {
      conform<ServerSubject, typeof serverSuite>(test, serverSuite, () => rpcSubject(transport, contentType));
    });
  }
