import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { AdminListener } from '../../src/server/admin.js';
import type { AdminOptions } from '../../src/server/server.js';
import { Raw } from '../support/raw.js';

const SOON = { timeout: 10_000 };

async function withAdmin(
  run: (admin: AdminListener) => Promise<void>,
  options: Partial<AdminOptions> = {},
): Promise<void> {
  const probes = { healthy: () => true, ready: () => false };
  const admin = await AdminListener.open({ address: '127.0.0.1:0', ...options }, probes);
  try {
    await run(admin);
  } finally {
    await admin.close();
  }
}

describe('the admin listener', () => {
  const asked: readonly (readonly [string, string, number])[] = [
    ['GET', '/health', 200],
    ['HEAD', '/health?x', 200],
    ['GET', '/ready', 503],
    ['GET', '/', 404],
    ['DELETE', '/health', 404],
  ];
  for (const [method, path, status] of asked)
    it(`answers ${method} ${path} with ${status}`, () =>
      withAdmin(async ({ address }) => {
        const response = await fetch(`http://${address}${path}`, { method });
        await response.text();
        assert.equal(response.status, status);
      }));

  const slow: readonly (readonly [string, string])[] = [
    ['whose header never ends', 'GET /health HTTP/1.1\r\nHost: x\r\nA: '],
    ['that never begins', ''],
    ['behind another, that never ends', 'GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nA'],
  ];
  for (const [what, text] of slow)
    it(`cuts off a request ${what} after timeoutMs`, SOON, () =>
      withAdmin(
        async ({ address }) => {
          const raw = await Raw.open(address);
          raw.write(text);
          await raw.end();
        },
        { timeoutMs: 50 },
      ),
    );

  it('closes a connection that is idle', SOON, () =>
    withAdmin(
      async ({ address }) => {
        const raw = await Raw.open(address);
        raw.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
        assert.match(await raw.end(), /^HTTP\/1\.1 200 /);
      },
      { timeoutMs: 50 },
    ),
  );

  const bodies: readonly (readonly [string, string])[] = [
    ['a length', 'Content-Length: 1000000000\r\n\r\n'],
    ['chunks', 'Transfer-Encoding: chunked\r\n\r\n1\r\n'],
  ];
  for (const [what, text] of bodies)
    it(`takes no body with ${what}, and closes behind the answer`, SOON, () =>
      withAdmin(async ({ address }) => {
        const raw = await Raw.open(address);
        raw.write(`POST /health HTTP/1.1\r\nHost: x\r\n${text}`);
        assert.match(await raw.end(), /^HTTP\/1\.1 413 /);
      }),
    );

  it('takes no header of more than 8 KiB', SOON, () =>
    withAdmin(async ({ address }) => {
      const raw = await Raw.open(address);
      raw.write(`GET /health HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(9_000)}`);
      assert.match(await raw.end(), /^HTTP\/1\.1 431 /);
    }),
  );

  it('holds so many connections, and no more', SOON, () =>
    withAdmin(
      async ({ address }) => {
        const first = await Raw.open(address);
        first.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
        await first.until((text) => text.includes('200'));
        await (await Raw.open(address)).end();
        first.write('GET /ready HTTP/1.1\r\nHost: x\r\n\r\n');
        await first.until((text) => text.includes('503'));
        first.close();
      },
      { maxConnections: 1 },
    ),
  );

  it('closes though connections are open', SOON, async () => {
    let raw: Raw | undefined;
    await withAdmin(async ({ address }) => {
      raw = await Raw.open(address);
      raw.write('GET /health HTTP/1.1\r\n');
    });
    await raw?.end();
  });

  it('names an address in use', () =>
    withAdmin(({ address }) =>
      assert.rejects(
        AdminListener.open({ address }, { healthy: () => true, ready: () => true }),
        (error) =>
          error instanceof OctavoError && error.code === 'unavailable' && error.message.includes(address),
      ),
    ));
});
