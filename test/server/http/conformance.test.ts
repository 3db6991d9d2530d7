import { describe, test } from 'node:test';
import type { HttpClientOptions } from '../../../src/client/http.js';
import { conform } from '../../conformance/conform.js';
import { serverSuite, type ServerSubject } from '../../conformance/server.js';
import { httpSubject } from '../../support/http-subject.js';
import { wrapped } from '../../support/wrapped.js';

const WAYS: Readonly<Record<string, HttpClientOptions>> = {
  'protobuf by HTTP/1.1': {},
  'JSON by HTTP/1.1': { contentType: 'application/json' },
  'protobuf by HTTP/2': { version: '2' },
  'JSON by HTTP/2': { contentType: 'application/json', version: '2' },
};

for (const [way, options] of Object.entries(WAYS))
  describe(`HttpServer: ${way}`, () => {
    conform<ServerSubject, typeof serverSuite>(test, serverSuite, () => httpSubject(options));
  });

describe('a wrapped HttpServer', () => {
  conform<ServerSubject, typeof serverSuite>(test, serverSuite, () => {
    const subject = httpSubject();
    return new Proxy(subject, {
      get: (target, name) =>
        name === 'server' ? wrapped(target.server) : (Reflect.get(target, name) as unknown),
    });
  });
});
