import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HttpServerOptions } from '../../../src/server/http.js';
import { serveHttp } from '../../support/http-server.js';

const HERE = 'https://shop.example';
const ELSEWHERE = 'https://evil.example';
const PATH = '/conformance.Probe/Echo';

async function having(options: HttpServerOptions, run: (url: string) => Promise<void>): Promise<void> {
  const served = await serveHttp(options);
  try {
    await run(`http://${served.address}`);
  } finally {
    await served.stop();
  }
}

function preflight(url: string, origin: string): Promise<Response> {
  return fetch(`${url}${PATH}`, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,connect-protocol-version',
    },
  });
}

function call(url: string, origin: string, type = 'application/json', path = PATH): Promise<Response> {
  return fetch(`${url}${path}`, { method: 'POST', body: '{}', headers: { 'content-type': type, origin } });
}

describe('cors of the http server', () => {
  it('is not there where nobody asks for it', () =>
    having({}, async (url) => {
      assert.equal((await preflight(url, HERE)).status, 404);
      assert.equal((await call(url, HERE)).headers.get('access-control-allow-origin'), null);
    }));

  it('lets the origins in that are listed, and no others', () =>
    having(
      { cors: { origins: [HERE], credentials: true, maxAgeMs: 5_000, expose: ['X-Mine'] } },
      async (url) => {
        const asked = await preflight(url, HERE);
        assert.equal(asked.status, 204);
        assert.equal(asked.headers.get('access-control-allow-origin'), HERE);
        assert.match(asked.headers.get('access-control-allow-methods') ?? '', /POST/);
        assert.match(asked.headers.get('access-control-allow-headers') ?? '', /connect-protocol-version/);
        assert.equal(asked.headers.get('access-control-allow-credentials'), 'true');
        assert.equal(asked.headers.get('access-control-max-age'), '5');
        const answer = await call(url, HERE);
        assert.equal(answer.status, 200);
        assert.equal(answer.headers.get('access-control-allow-origin'), HERE);
        assert.match(answer.headers.get('vary') ?? '', /origin/i);
        const exposed = answer.headers.get('access-control-expose-headers') ?? '';
        for (const name of ['Grpc-Status', 'Grpc-Message', 'Grpc-Status-Details-Bin', 'X-Mine'])
          assert.ok(exposed.includes(name), exposed);
        assert.ok(!exposed.includes('*'));
        for (const refused of [await preflight(url, ELSEWHERE), await call(url, ELSEWHERE)])
          assert.equal(refused.headers.get('access-control-allow-origin'), null);
      },
    ));

  it('lets a page read every header where there are no credentials', () =>
    having({ cors: { origins: '*' } }, async (url) => {
      const answer = await call(url, ELSEWHERE);
      assert.equal(answer.headers.get('access-control-allow-origin'), '*');
      assert.match(answer.headers.get('access-control-expose-headers') ?? '', /^\*/);
    }));

  it('lets a page read what went wrong, whatever that is', () =>
    having({ cors: { origins: '*' } }, async (url) => {
      for (const answer of [
        await call(url, HERE, 'text/plain'),
        await call(url, HERE, 'application/json', '/conformance.Probe/Nothing'),
        await call(url, HERE, 'application/json', '/conformance.Probe/Fail'),
        await call(url, HERE, 'application/grpc-web+json'),
        await fetch(`${url}${PATH}`, { headers: { origin: HERE } }),
      ])
        assert.equal(answer.headers.get('access-control-allow-origin'), '*', String(answer.status));
    }));

  it('does not start with what browsers refuse', async () => {
    await assert.rejects(
      serveHttp({ cors: { origins: '*', credentials: true } }),
      /origins '\*' do not go with credentials/,
    );
  });
});

describe('routes of the user’s on the http server', () => {
  it('stand beside the endpoints, with their hooks', () =>
    having(
      {
        routes: (app) => {
          app.addHook('onRequest', async (_, reply) => void reply.header('x-hook', 'seen'));
          app.get('/mine', async () => ({ mine: true }));
          app.post('/mine', async ({ body }) => body);
        },
      },
      async (url) => {
        assert.deepEqual(await (await fetch(`${url}/mine`)).json(), { mine: true });
        const posted = await fetch(`${url}/mine`, {
          method: 'POST',
          body: '{"a":1}',
          headers: { 'content-type': 'application/json' },
        });
        assert.deepEqual(await posted.json(), { a: 1 });
        for (const answer of [await call(url, HERE), await call(url, HERE, 'application/grpc-web+json')]) {
          assert.equal(answer.status, 200);
          assert.equal(answer.headers.get('x-hook'), 'seen');
        }
      },
    ));

  it('may say themselves what is not there, and what was counted', () =>
    having(
      {
        routes: (app) => {
          app.setNotFoundHandler((_, reply) => reply.code(404).send({ lost: true }));
          app.get('/metrics', async () => 'mine 1\n');
        },
      },
      async (url) => {
        assert.deepEqual(await (await fetch(`${url}/nothing`)).json(), { lost: true });
        assert.equal(await (await fetch(`${url}/metrics`)).text(), 'mine 1\n');
      },
    ));

  it('that fail, fail the start', async () => {
    await assert.rejects(
      serveHttp({
        routes: () => {
          throw new Error('a mistake');
        },
      }),
      /a mistake/,
    );
  });
});
