import { describe, test } from 'node:test';
import { http } from '../../src/transport/http.js';
import { grpc } from '../../src/transport/grpc.js';
import { memory } from '../../src/transport/memory.js';
import { tcp } from '../../src/transport/tcp.js';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform } from '../conformance/conform.js';
import { serverSuite, type ServerSubject } from '../conformance/server.js';
import { rpcSubject } from '../support/rpc-subject.js';
import { wrapped } from '../support/wrapped.js';

const TYPES = ['application/protobuf', 'application/json'];
/** Of the other codecs, which the transport does not matter to. */
const OTHERS = [
  'application/json-rpc',
  'application/json-rpc2',
  'application/proto-rpc',
  'application/msgpack-rpc',
  'application/mercury',
  'application/grpc+proto',
  'application/grpc+json',
];
const TRANSPORTS = { grpc: grpc(), http: http(), memory: memory(), tcp: tcp() };

for (const [name, transport] of Object.entries(TRANSPORTS))
  for (const contentType of name === 'http' ? [...TYPES, ...OTHERS] : TYPES) {
    describe(`RpcClient over ${name}, ${contentType}`, () => {
      conform<CallSubject, typeof clientSuite>(test, clientSuite, () => rpcSubject(transport, contentType));
    });
    describe(`RpcServer over ${name}, ${contentType}`, () => {
      conform<ServerSubject, typeof serverSuite>(test, serverSuite, () => rpcSubject(transport, contentType));
    });
  }

/** A subject whose client and server are seen through others. */
function wrappedSubject(): ServerSubject {
  const subject = rpcSubject(http(), 'application/protobuf');
  return new Proxy(subject, {
    get(target, name) {
      if (name === 'client') return wrapped(target.client);
      if (name === 'server') return wrapped(target.server);
      return Reflect.get(target, name) as unknown;
    },
  });
}

describe('a wrapped RpcClient', () => {
  conform<CallSubject, typeof clientSuite>(test, clientSuite, wrappedSubject);
});

describe('a wrapped RpcServer', () => {
  conform<ServerSubject, typeof serverSuite>(test, serverSuite, wrappedSubject);
});
