import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request, type RequestOptions } from 'node:https';
import { connect as connectHttp2 } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { after, describe, it, test } from 'node:test';
import { Code, ConnectError } from '@connectrpc/connect';
import { Handler, Service } from '../../../decorators/index.js';
import type { Context } from '../../../src/core/context.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';
import { conform } from '../../conformance/conform.js';
import { Ask, Told } from '../../conformance/probe.js';
import { serverSuite, type ServerSubject } from '../../conformance/server.js';
import { withoutProtoc } from '../../schema/protoc.js';
import { Authority } from '../../support/certificates.js';
import { descriptorOf, foreignClient, foreignTransport } from '../../support/connect-peer.js';
import { serveHttp, type Served } from '../../support/http-server.js';
import { httpSubject } from '../../support/http-subject.js';
import { Raw } from '../../support/raw.js';

const authority = await Authority.make();
const stranger = await Authority.make('somebody else');
const { ca } = authority;
const server = await authority.issue('server', {
  san: 'IP:127.0.0.1,DNS:localhost,URI:spiffe://octavo/server',
});
const client = await authority.issue('client', { san: 'DNS:client.local,URI:spiffe://octavo/client' });
const unknown = await stranger.issue('unknown');

describe('HttpServer with TLS', () => {
  conform<ServerSubject, typeof serverSuite>(test, serverSuite, () =>
    httpSubject({ tls: { ca } }, { tls: server }),
  );
});

describe('HttpServer with mutual TLS, by HTTP/2', () => {
  conform<ServerSubject, typeof serverSuite>(test, serverSuite, () =>
    httpSubject({ version: '2', tls: { ca, ...client } }, { tls: { ca, ...server, clientAuth: 'require' } }),
  );
});

@Service({ name: 'who', package: 'who', endpoint: 'Who' })
class Who {
  @Handler(Ask, Told)
  async called(_: Ask, { peer }: Context): Promise<Told> {
    return Object.assign(new Told(), {
      text: peer.certificate?.subject ?? 'nobody',
      lines: [...(peer.certificate?.san ?? [])],
    });
  }
}

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
}

function ask(address: string, path: string, options: RequestOptions = {}, body?: string): Promise<Answer> {
  const method = body === undefined ? 'GET' : 'POST';
  const headers = { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const call = request(
      `https://${address}${path}`,
      { ca: readFileSync(ca), method, headers, agent: false, ...options },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode, text }));
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}

function shown({ cert, key }: { cert: string; key: string }): RequestOptions {
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

describe('the http server with TLS', () => {
  const opened: Served<object>[] = [];
  after(async () => {
    for (const served of opened) await served.stop();
  });

  async function serve(tls: Parameters<typeof serveHttp>[0]): Promise<string> {
    const served = await serveHttp<Who>(tls, { type: Who });
    opened.push(served);
    return served.address;
  }

  it('speaks HTTP/1.1 and HTTP/2 on one port, whichever is asked for', async () => {
    const address = await serve({ tls: server });
    assert.equal((await ask(address, '/health')).status, 200);
    const session = connectHttp2(`https://${address}`, { ca: readFileSync(ca) });
    const stream = session.request({ ':path': '/health' });
    const status = await new Promise((resolve) => stream.on('response', (it) => resolve(it[':status'])));
    assert.equal(status, 200);
    stream.resume();
    session.destroy();
  });

  it('says in the registry that it takes TLS only, and tells who comes without', async () => {
    const address = await serve({ tls: server });
    assert.equal(opened.at(-1)?.service.server.node?.metadata?.['secure'], 'true');
    const plain = await Raw.open(address);
    plain.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match(await plain.end(), / 503 .*takes TLS only: write https:\/\//s);
  });

  it('knows who calls, by the certificate, over both versions', { skip: withoutProtoc }, async () => {
    const address = await serve({ tls: { ca, ...server, clientAuth: 'request' } });
    for (const httpVersion of ['1.1', '2'] as const) {
      const nodeOptions = { ca: readFileSync(ca), ...shown(client) } as Record<string, unknown>;
      const way = { protocol: 'connect', httpVersion, binary: true } as const;
      const who = foreignClient(
        descriptorOf(Who),
        foreignTransport(way, `https://${address}`, { nodeOptions } as Parameters<
          typeof foreignTransport
        >[2]),
      );
      const { text, lines } = await who.unary('called', {});
      assert.equal(text, 'CN=client');
      assert.deepEqual(lines, ['DNS:client.local', 'URI:spiffe://octavo/client']);
    }
    assert.match((await ask(address, '/who.Who/Called', {}, '{}')).text, /"nobody"/);
  });

  it('tells who lacks a certificate, or has a stranger’s, in words', { skip: withoutProtoc }, async () => {
    const address = await serve({ tls: { ca, ...server, clientAuth: 'require' } });
    for (const [options, like] of [
      [{}, /a certificate of the caller is asked for/],
      [shown(unknown), /the caller's certificate \\"CN=unknown\\" is refused/],
    ] as const) {
      for (const [path, body] of [
        ['/who.Who/Called', '{}'],
        ['/health', undefined],
      ] as const) {
        const answer = await ask(address, path, options, body);
        assert.equal(answer.status, 401);
        assert.match(answer.text, like);
      }
    }
    for (const protocol of ['connect', 'grpc-web'] as const) {
      const nodeOptions = { ca: readFileSync(ca) } as Record<string, unknown>;
      const who = foreignClient(
        descriptorOf(Who),
        foreignTransport({ protocol, httpVersion: '2', binary: true }, `https://${address}`, {
          nodeOptions,
        } as Parameters<typeof foreignTransport>[2]),
      );
      await assert.rejects(who.unary('called', {}), (reason) => {
        assert.ok(reason instanceof ConnectError);
        assert.equal(reason.code, Code.Unauthenticated);
        return true;
      });
    }
  });

  it('reads certificates again that have changed', async () => {
    const clock = new VirtualClock(Date.now());
    const mine = await authority.issue('renewed');
    const served = await serveHttp<Who>({ tls: mine }, { type: Who, clock: () => clock });
    opened.push(served);
    const seen = async (): Promise<string> => {
      const session = connectHttp2(`https://${served.address}`, { ca: readFileSync(ca) });
      await new Promise((resolve, reject) => session.on('connect', resolve).on('error', reject));
      // The socket of a session of https is one of TLS.
      const { fingerprint256 } = (session.socket as TLSSocket).getPeerCertificate();
      session.destroy();
      return fingerprint256;
    };
    const before = await seen();
    await authority.issue('renewed');
    await clock.advance(61_000);
    assert.notEqual(await seen(), before);
  });

  it('does not start with what cannot be used', async () => {
    await assert.rejects(serve({ tls: { ca } }), /whoever listens needs a certificate/);
    await assert.rejects(
      serve({ tls: { cert: server.cert, key: unknown.key } }),
      /not that of the certificate/,
    );
  });
});
