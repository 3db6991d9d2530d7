import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { readFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { OctavoError } from '../../src/core/error.js';
import { parseHttpAddress } from '../../src/core/http-address.js';
import { JsonHttp, type JsonHttpOptions } from '../../src/core/json-http.js';
import { Authority } from '../support/certificates.js';
import { freePorts } from '../support/free-port.js';
import { parts } from '../support/parts.js';

const SECRET = 'hunter2';
const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const at = server.address();
  return `127.0.0.1:${typeof at === 'object' ? at?.port : ''}`;
}

function serve(answer: (asked: IncomingMessage, reply: ServerResponse) => void): Promise<string> {
  return listen(createServer(answer));
}

async function client(
  addresses: readonly string[],
  options: Partial<JsonHttpOptions> = {},
): Promise<JsonHttp> {
  const http = new JsonHttp('the test', { addresses, port: 80, timeoutMs: 2_000, ...options }, parts());
  await http.start();
  closing.push(() => http.stop());
  return http;
}

function json(reply: ServerResponse, body: unknown): void {
  reply.setHeader('content-type', 'application/json').end(JSON.stringify(body));
}

async function failure(asking: Promise<unknown>): Promise<OctavoError> {
  const reason: unknown = await asking.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(reason instanceof OctavoError, inspect(reason));
  return reason;
}

describe('JsonHttp', () => {
  it('sends what it is given, and says who we are', async () => {
    const address = await serve((asked, reply) => {
      const pieces: Buffer[] = [];
      asked.on('data', (piece: Buffer) => pieces.push(piece));
      asked.on('end', () => {
        const { authorization, 'content-type': type, 'x-token': token } = asked.headers;
        const text = Buffer.concat(pieces).toString();
        json(reply, [asked.method, asked.url, authorization, type, token, text]);
      });
    });
    const http = await client([`ada:${SECRET}@${address}`], { headers: () => ({ 'x-token': 't' }) });
    const basic = `Basic ${Buffer.from(`ada:${SECRET}`).toString('base64')}`;
    const put = await http.ask({ method: 'PUT', path: '/a?b', body: { c: 1 } });
    assert.deepEqual(put.body, ['PUT', '/a?b', basic, 'application/json', 't', '{"c":1}']);
    const form = await http.ask({ method: 'POST', path: '/', body: new URLSearchParams({ d: 'e f' }) });
    assert.deepEqual((form.body as string[])[5], 'd=e+f');
    assert.ok(!inspect(http, { depth: 0 }).includes(SECRET) && !http.where.includes(SECRET));
  });

  it('keeps its connections, and asks again on a fresh one where a kept one was closed', async () => {
    let opened = 0;
    const server = createServer((_, reply) => json(reply, opened));
    server.on('connection', () => opened++);
    const http = await client([await listen(server)]);
    for (let n = 0; n < 3; n++) assert.equal((await http.ask({ path: '/' })).body, 1);
    server.closeIdleConnections();
    assert.equal((await http.ask({ path: '/' })).body, 2);
  });

  it('asks the next address where one cannot be reached, and says where nobody is', async () => {
    const [nobody = 0] = await freePorts(1);
    const address = await serve((_, reply) => json(reply, 'here'));
    const http = await client([`127.0.0.1:${nobody}`, address]);
    assert.equal((await http.ask({ path: '/' })).body, 'here');
    const error = await failure((await client([`ada:${SECRET}@127.0.0.1:${nobody}`])).ask({ path: '/' }));
    assert.equal(error.code, 'unavailable');
    assert.equal(error.executed, false);
    assert.match(error.message, new RegExp(`the test cannot reach 127.0.0.1:${nobody}: connection refused`));
    assert.ok(!inspect(error, { depth: 10 }).includes(SECRET));
  });

  it('stays with an address whose answers nobody waits for any more, and leaves one that gives none', async () => {
    const asked: string[] = [];
    const serveAs = (name: string): Promise<string> =>
      serve((request, reply) => {
        asked.push(name);
        if (request.url === '/') json(reply, name);
      });
    const http = await client([await serveAs('a'), await serveAs('b')], { timeoutMs: 100 });
    const abort = new AbortController();
    const waiting = Array.from({ length: 3 }, () =>
      failure(http.ask({ path: '/wait', signal: abort.signal, waits: true, timeoutMs: 5_000 })),
    );
    assert.equal(await http.wait({ path: '/wait', timeoutMs: 20 }), undefined);
    abort.abort();
    for (const { code } of await Promise.all(waiting)) assert.equal(code, 'cancelled');
    assert.equal((await http.ask({ path: '/' })).body, 'a');
    // All at once, they leave it once.
    await Promise.all(Array.from({ length: 2 }, () => failure(http.ask({ path: '/wait' }))));
    assert.equal((await http.ask({ path: '/' })).body, 'b');
  });

  it('waits no longer than it is told to, for a head, a body or a place in the line', async () => {
    const address = await serve((asked, reply) => {
      if (asked.url === '/body') reply.write('half');
    });
    const http = await client([address], { timeoutMs: 100 });
    for (const path of ['/head', '/body']) {
      const error = await failure(http.ask({ path }));
      assert.equal(error.code, 'unavailable');
      assert.match(error.message, /no answer from 127\.0\.0\.1:\d+ within 100 ms/);
    }
    const all = await Promise.all(Array.from({ length: 50 }, () => failure(http.ask({ path: '/' }))));
    assert.ok(all.every(({ code }) => code === 'unavailable'));
  });

  it('ends by the signal', async () => {
    const http = await client([await serve(() => {})]);
    const abort = new AbortController();
    const asking = failure(http.ask({ path: '/', signal: abort.signal, waits: true }));
    setImmediate(() => abort.abort());
    assert.equal((await asking).code, 'cancelled');
    assert.equal((await failure(http.ask({ path: '/', signal: abort.signal }))).code, 'cancelled');
  });

  it('takes no more than it has room for, and no JSON that is none', async () => {
    const address = await serve((asked, reply) => {
      if (asked.url === '/long') json(reply, 'x'.repeat(1_000));
      else reply.setHeader('content-type', 'application/json').end('{');
    });
    const http = await client([address], { maxBodyBytes: 999 });
    assert.equal((await failure(http.ask({ path: '/long' }))).code, 'resource_exhausted');
    assert.match((await failure(http.ask({ path: '/' }))).message, /that is no JSON/);
  });

  it('gives the text of an answer that is no JSON, with its status', async () => {
    const address = await serve((_, reply) => reply.writeHead(403).end('Permission denied'));
    const { status, body } = await (await client([address])).ask({ path: '/' });
    assert.deepEqual([status, body], [403, 'Permission denied']);
  });

  it('gives lines as they come, however they are cut', async () => {
    const address = await serve((asked, reply) => {
      if (asked.url === '/no') return void reply.writeHead(410).end('gone');
      reply.write('{"n":1}\n{"n"');
      setTimeout(() => {
        reply.write(':2}\n');
        if (asked.url === '/end') reply.end();
      }, 20);
    });
    const http = await client([address], { timeoutMs: 200 });
    const refused = (): never => {
      throw new OctavoError('not_found', 'refused');
    };
    const seen: unknown[] = [];
    for await (const line of http.lines({ path: '/end' }, refused)) seen.push(line);
    assert.equal(JSON.stringify(seen), '[{"n":1},{"n":2}]');
    const silent = (async () => {
      for await (const line of http.lines({ path: '/', waits: true }, refused)) seen.push(line);
    })();
    assert.match((await failure(silent)).message, /within 200 ms/);
    assert.equal(seen.length, 4);
    assert.equal((await failure(http.lines({ path: '/no' }, refused).next())).code, 'not_found');
  });

  it('speaks TLS to a server that an authority of ours has signed, and to no other', async () => {
    const authority = await Authority.make();
    const { cert, key } = await authority.issue('server');
    const address = await listen(
      createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, (_, reply) => json(reply, 1)),
    );
    for (const given of [address, `https://${address}`]) {
      const http = await client([given], { tls: { ca: authority.ca } });
      assert.equal((await http.ask({ path: '/' })).body, 1);
    }
    const error = await failure((await client([`https://${address}`])).ask({ path: '/' }));
    assert.match(error.message, /is signed by nobody in tls\.ca/);
  });

  it('is of no use before it is started', async () => {
    const http = new JsonHttp('the test', { addresses: ['a'], port: 80, timeoutMs: 1 }, parts());
    assert.equal((await failure(http.ask({ path: '/' }))).code, 'failed_precondition');
  });
});

describe('the address of an HTTP server', () => {
  it('may have a scheme, a port and credentials', () => {
    const at = { host: 'consul', port: 8_500, tls: false, shown: 'consul:8500' };
    assert.deepEqual(parseHttpAddress('consul', 8_500), at);
    assert.deepEqual(parseHttpAddress('http://consul:8500/', 1), at);
    assert.deepEqual(parseHttpAddress('https://a:b%3A@[::1]:1', 2), {
      host: '::1',
      port: 1,
      tls: true,
      shown: '[::1]:1',
      user: 'a',
      pass: 'b:',
    });
  });

  it('shows nothing of its credentials when it is wrong', () => {
    assert.throws(
      () => parseHttpAddress(`ada:${SECRET}@a/b/c`, 1),
      (error: OctavoError) => {
        assert.ok(!error.message.includes(SECRET));
        return error.code === 'invalid_argument';
      },
    );
  });
});
