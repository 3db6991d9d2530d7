import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { HttpClientOptions } from '../../src/client/http.js';
import { OctavoError } from '../../src/core/error.js';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform, type Suite } from '../conformance/conform.js';
import { ProbeClient } from '../conformance/probe.js';
import { connectSubject } from '../support/http-subject.js';
import { wrapped } from '../support/wrapped.js';

const TYPES = ['application/protobuf', 'application/json'];

for (const contentType of TYPES)
  describe(`HttpClient and a server of Connect-ES by HTTP/2, ${contentType}`, () => {
    conform<CallSubject, typeof clientSuite>(test, clientSuite, () =>
      connectSubject({ contentType, version: '2' }, '2'),
    );
  });

describe('HttpClient and a server of Connect-ES by HTTP/2, packed', () => {
  conform<CallSubject, typeof clientSuite>(test, clientSuite, () =>
    connectSubject({ compressBytes: 1, version: '2' }, '2'),
  );
});

describe('a wrapped HttpClient and a server of Connect-ES by HTTP/2', () => {
  conform<CallSubject, typeof clientSuite>(test, clientSuite, () => {
    const subject = connectSubject({ version: '2' }, '2');
    return new Proxy(subject, {
      get: (target, name) =>
        name === 'client' ? wrapped(target.client) : (Reflect.get(target, name) as unknown),
    });
  });
});

/** What needs a stream both ways, which neither HTTP/1.1 nor Connect-ES has there. */
const BOTH_WAYS = /bidi|a source|a stream without types|a meter/;
const oneWay = Object.fromEntries(
  Object.entries(clientSuite).filter(([sentence]) => !BOTH_WAYS.test(sentence)),
) as Suite<CallSubject>;

const WAYS: Readonly<Record<string, HttpClientOptions>> = {
  protobuf: {},
  JSON: { contentType: 'application/json' },
  'protobuf, packed': { compressBytes: 1 },
  'JSON, packed': { contentType: 'application/json', compressBytes: 1 },
};

for (const [way, options] of Object.entries(WAYS))
  describe(`HttpClient and a server of Connect-ES by HTTP/1.1, ${way}`, () => {
    const make = (): CallSubject => connectSubject(options, '1.1');
    conform<CallSubject, Suite<CallSubject>>(test, oneWay, make);
    conform<CallSubject, Suite<CallSubject>>(
      test,
      {
        'a stream both ways is refused before anything is sent': async ({ client, probe }) => {
          await assert.rejects(
            async () => {
              for await (const _ of new ProbeClient(client).chat([{ text: 'a' }]));
            },
            (error) => {
              assert.ok(error instanceof OctavoError);
              assert.deepEqual([error.code, error.executed], ['unimplemented', false]);
              assert.match(error.message, /does not speak HTTP\/2, which a stream both ways needs/);
              return true;
            },
          );
          assert.equal(probe.calls, 0);
        },
      },
      make,
    );
  });
