import { describe, test } from 'node:test';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform } from '../conformance/conform.js';
import { serverSuite, type ServerSubject } from '../conformance/server.js';
import { nativeGrpcSubject } from '../support/native-grpc-subject.js';
import { wrapped } from '../support/wrapped.js';

for (const contentType of ['application/protobuf', 'application/json']) {
  describe(`GrpcClient, ${contentType}`, () => {
    conform<CallSubject, typeof clientSuite>(test, clientSuite, () => nativeGrpcSubject({ contentType }));
  });
  describe(`GrpcServer with GrpcClient, ${contentType}`, () => {
    conform<ServerSubject, typeof serverSuite>(test, serverSuite, () => nativeGrpcSubject({ contentType }));
  });
}

describe('GrpcClient and GrpcServer that pack what they send', () => {
  conform<CallSubject, typeof clientSuite>(test, clientSuite, () =>
    nativeGrpcSubject({ compression: 'gzip' }, { gzip: true }),
  );
});

/** A subject whose client and server are seen through others. */
function wrappedSubject(): ServerSubject {
  return new Proxy(nativeGrpcSubject({}), {
    get(target, name) {
      if (name === 'client') return wrapped(target.client);
      if (name === 'server') return wrapped(target.server);
      return Reflect.get(target, name) as unknown;
    },
  });
}

describe('a wrapped GrpcClient', () => {
  conform<CallSubject, typeof clientSuite>(test, clientSuite, wrappedSubject);
});

describe('a wrapped GrpcServer with a wrapped GrpcClient', () => {
  conform<ServerSubject, typeof serverSuite>(test, serverSuite, wrappedSubject);
});
