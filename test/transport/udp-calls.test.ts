import { describe, test } from 'node:test';
import { udp } from '../../src/transport/udp.js';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform } from '../conformance/conform.js';
import { CallProbe } from '../conformance/probe.js';
import { serverSuite, type ServerSubject } from '../conformance/server.js';
import { rpcSubject } from '../support/rpc-subject.js';

const REASON = 'udp carries no streams';

for (const contentType of ['application/protobuf', 'application/json']) {
  const subject = (): ServerSubject => rpcSubject(udp(), contentType, {}, CallProbe);
  describe(`RpcClient over udp, ${contentType}`, () => {
    conform<CallSubject, typeof clientSuite>(test, clientSuite, subject, {
      lacks: {
        'a stream that never reached a handler goes elsewhere at once, and loses no item': REASON,
        'a server stream gives its items and ends': REASON,
        'an error after the last item comes after it': REASON,
        'a client stream gives one reply, also without items, and before their end': REASON,
        'a bidi stream goes both ways, and a half-close leaves the other side open': REASON,
        'leaving a loop cancels the handler': REASON,
        'a source that throws fails the call, and the handler is cancelled': REASON,
        'a source is left when the stream ends before it': REASON,
        'a stream without types sends, half-closes and receives': REASON,
        'a meter is told of every item of a stream, each way': REASON,
      },
    });
  });
  describe(`RpcServer over udp, ${contentType}`, () => {
    conform<ServerSubject, typeof serverSuite>(test, serverSuite, subject, {
      lacks: {
        'metadata of a stream that cannot travel fails the stream and nothing else': REASON,
        'one stream more than it takes is refused at once, unexecuted, and calls still go through': REASON,
        'a stream whose request has not come yet counts among the open ones, and is ended at the stop':
          REASON,
        'what a wrapper puts beside a stream arrives': REASON,
        'a wrapper that refuses a stream costs no decode either': REASON,
        'a meter is told of every item of a stream, each way': REASON,
        'a stream that carries no item is ended after its idle time': REASON,
      },
    });
  });
}
