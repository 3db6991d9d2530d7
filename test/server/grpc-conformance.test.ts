import { describe, test } from 'node:test';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform, type Suite } from '../conformance/conform.js';
import { serverSuite, type ServerSubject } from '../conformance/server.js';
import { grpcSubject } from '../support/grpc-subject.js';
import { wrapped } from '../support/wrapped.js';

const LACKS = {
  'what asks how it is gets an answer, and it is not in the registry':
    'it is asked in JSON, and gRPC here is protobuf',
};

/** The promises of a call as a whole that are kept by its server, whoever calls. */
const OF_CALLS: readonly (keyof typeof clientSuite)[] = [
  'a call gives the reply',
  'sixty-four calls at once get their own replies',
  'an error keeps code, message and details',
  'a request that breaks a rule is refused, with the field',
  'an endpoint’s own limit holds where the call names none',
  'a signal ends a call, and cancels the handler',
  'metadata travels both ways',
  'what is left of the deadline travels',
  'a server stream gives its items and ends',
  'an error after the last item comes after it',
  'a client stream gives one reply, also without items, and before their end',
  'a bidi stream goes both ways, and a half-close leaves the other side open',
  'leaving a loop cancels the handler',
  'a source that throws fails the call, and the handler is cancelled',
  'a source is left when the stream ends before it',
];

const calls: Suite<CallSubject> = Object.fromEntries(
  OF_CALLS.map((sentence) => [sentence, clientSuite[sentence]]),
);

describe('GrpcServer, called by grpc-js’s client', () => {
  conform<ServerSubject, typeof serverSuite>(test, serverSuite, () => grpcSubject(), { lacks: LACKS });
  conform<CallSubject, typeof calls>(test, calls, () => grpcSubject());
});

/** A subject whose server is seen through another. */
function wrappedSubject(): ServerSubject {
  return new Proxy(grpcSubject(), {
    get(target, name) {
      return name === 'server' ? wrapped(target.server) : (Reflect.get(target, name) as unknown);
    },
  });
}

describe('a wrapped GrpcServer', () => {
  conform<ServerSubject, typeof serverSuite>(test, serverSuite, wrappedSubject, { lacks: LACKS });
});
