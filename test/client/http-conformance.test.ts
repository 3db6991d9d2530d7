import { describe, test } from 'node:test';
import type { HttpClientOptions } from '../../src/client/http.js';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform } from '../conformance/conform.js';
import { httpSubject } from '../support/http-subject.js';
import { wrapped } from '../support/wrapped.js';

const WAYS: Readonly<Record<string, HttpClientOptions>> = {
  'protobuf by HTTP/1.1': {},
  'JSON by HTTP/1.1': { contentType: 'application/json' },
  'protobuf by HTTP/2': { version: '2' },
  'JSON by HTTP/2': { contentType: 'application/json', version: '2' },
  'protobuf, packed, and by GET': { get: true, compressBytes: 1 },
  'JSON, packed, and by GET': { contentType: 'application/json', get: true, compressBytes: 1 },
};

for (const [way, options] of Object.entries(WAYS))
  describe(`HttpClient and HttpServer: ${way}`, () => {
    conform<CallSubject, typeof clientSuite>(test, clientSuite, () => httpSubject(options));
  });

describe('a wrapped HttpClient', () => {
  conform<CallSubject, typeof clientSuite>(test, clientSuite, () => {
    const subject = httpSubject();
    return new Proxy(subject, {
      get: (target, name) =>
        name === 'client' ? wrapped(target.client) : (Reflect.get(target, name) as unknown),
    });
  });
});
