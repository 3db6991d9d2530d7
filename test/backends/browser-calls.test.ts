import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { build } from 'esbuild';
import { chromium, type Browser, type Page } from 'playwright-core';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { Any } from '../../src/schema/any.js';
import { declarationOf } from '../../src/schema/service-declaration.js';
import { http } from '../../src/server/http.js';
import { createService } from '../../src/service/run.js';
import type { Service } from '../../src/service/service.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { Probe } from '../conformance/probe.js';
import { descriptorSetOf } from '../support/connect-peer.js';
import type { PageCall, PageOutcome } from './browser/page.js';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];

let browser: Browser;
let page: Page;
/** What pages have asked, by verb and path. */
const asked = new Set<string>();
/** What protoc says of the service. */
let set: string;
let pages: Server;
let service: Service;
/** Lets pages of another origin call, and not this one. */
let closed: Service;

function origin(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function serving(origins: readonly string[]): Promise<Service> {
  const made = createService({
    services: [Probe],
    server: http({ cors: { origins } }),
    registry: memoryRegistry(),
    broker: memoryBroker(),
    logger: () => new TestLogger(),
    env: {},
  });
  await made.start();
  return made;
}

/** A page of the other origin that knows the service. */
async function opened(): Promise<Page> {
  const made = await browser.newPage();
  made.on('request', (request) => asked.add(`${request.method()} ${new URL(request.url()).pathname}`));
  await made.goto(origin(pages));
  const { package: name, endpoint, methods } = declarationOf(Probe);
  const idempotent = methods.filter(({ options }) => options.idempotent === true);
  const told = [set, `${name}.${endpoint}`, idempotent.map(({ property }) => property)];
  await made.evaluate(`ready(...${JSON.stringify(told)})`);
  return made;
}

before(async () => {
  const bundle = await build({
    entryPoints: ['test/backends/browser/page.ts'],
    bundle: true,
    format: 'iife',
    write: false,
    platform: 'browser',
  });
  const script = bundle.outputFiles[0]?.text ?? '';
  pages = createServer(({ url }, response) => {
    const type = url === '/page.js' ? 'text/javascript' : 'text/html';
    response.writeHead(200, { 'content-type': type });
    response.end(url === '/page.js' ? script : '<!doctype html><script src="/page.js"></script>');
  });
  await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
  service = await serving([origin(pages)]);
  closed = await serving(['https://elsewhere.example']);
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
  set = Buffer.from(descriptorSetOf(Probe)).toString('base64');
  page = await opened();
});
after(async () => {
  await browser?.close();
  await service?.stop();
  await closed?.stop();
  pages?.close();
});

type Way = Pick<PageCall, 'protocol' | 'binary' | 'get'>;

const WAYS: Readonly<Record<string, Way>> = {
  'Connect with JSON': { protocol: 'connect', binary: false },
  'Connect with protobuf': { protocol: 'connect', binary: true },
  'Connect by GET': { protocol: 'connect', binary: false, get: true },
  'gRPC-Web with protobuf': { protocol: 'grpc-web', binary: true },
  'gRPC-Web with JSON': { protocol: 'grpc-web', binary: false },
};

function call(
  way: Way,
  method: string,
  request = {},
  more: Partial<PageCall> = {},
  from = page,
): Promise<PageOutcome> {
  const baseUrl = `http://${service.server.node?.address ?? ''}`;
  // What the page gives is what its script says that it is.
  return from.evaluate(
    `call(${JSON.stringify({ ...way, baseUrl, method, request, ...more })})`,
  ) as Promise<PageOutcome>;
}

for (const [name, way] of Object.entries(WAYS))
  describe(`a page of another origin, by ${name}`, () => {
    it('calls, and metadata travels both ways', async () => {
      const { items, header, trailer, error } = await call(
        way,
        'context',
        {},
        { headers: { 'Foo-Bar': 'x' } },
      );
      assert.equal(error, undefined);
      const [reply] = items;
      // Beside what the browser says of itself.
      assert.ok(Array.isArray(reply?.['lines']) && reply['lines'].includes('foo-bar=x'));
      assert.equal(reply?.['text'], 'Probe.Context');
      assert.deepEqual([header['many'], trailer['reply-trailer']], ['1, 2', 'end']);
    });

    it('calls what is idempotent', async () => {
      asked.clear();
      const { items, error } = await call(way, 'again', { text: 'é' });
      assert.equal(error, undefined);
      assert.equal(items[0]?.['text'], 'done');
      assert.ok(asked.has(`${way.get === true ? 'GET' : 'POST'} /conformance.Probe/Again`));
    });

    it('gets the items of a stream as they are there, and the error behind them', async () => {
      const whole = await call(way, 'count', { count: 3 });
      assert.deepEqual(
        whole.items.map(({ count }) => count),
        [1, 2, 3],
      );
      assert.deepEqual([whole.error, whole.trailer['reply-trailer']], [undefined, 'last']);
      const failed = await call(way, 'count', { text: 'fail', count: 2 });
      assert.deepEqual([failed.items.length, failed.error?.code], [2, 'OutOfRange']);
      assert.equal(failed.error?.message, 'that was the last');
    });

    it('gets an error with its code, message and details', async () => {
      const { error } = await call(way, 'fail', { text: 'details' });
      assert.deepEqual([error?.code, error?.message], ['FailedPrecondition', 'not yet é']);
      const [detail] = error?.details ?? [];
      const any = Object.assign(new Any(), {
        typeUrl: `type.googleapis.com/${detail?.type}`,
        value: Buffer.from(detail?.value ?? '', 'base64'),
      });
      assert.deepEqual({ ...any.unpack('google.protobuf.Struct') }, { type: 'wait', forMs: 5 });
      const refused = await call(way, 'echo', { text: 'x'.repeat(21) });
      assert.equal(refused.error?.code, 'InvalidArgument');
      assert.deepEqual(
        refused.error?.details.map(({ type }) => type),
        ['google.rpc.BadRequest'],
      );
    });

    it('cancels the handler by an abort, by leaving the page, and by its deadline', async () => {
      const { cancelled, waiting } = service.resolve(Probe);
      cancelled.clear();
      waiting.clear();
      const aborted = await call(way, 'count', { text: 'wait', count: 1 }, { abortAfter: 1 });
      assert.deepEqual([aborted.items.length, aborted.error?.code], [1, 'Canceled']);
      assert.equal(await cancelled.next(), 'cancelled');
      // Who leaves the loop aborts nothing, says Connect-ES; who leaves the page does.
      const other = await opened();
      const leaving = call(way, 'wait', {}, {}, other).catch(() => 'gone');
      await waiting.next();
      await other.close();
      assert.equal(await leaving, 'gone');
      assert.equal(await cancelled.next(), 'cancelled');
      const late = await call(way, 'wait', {}, { timeoutMs: 300 });
      assert.equal(late.error?.code, 'DeadlineExceeded');
      assert.match(await cancelled.next(), /^(cancelled|deadline_exceeded)$/);
    });

    it('is told nothing by a service that does not let it call', async () => {
      const { calls } = closed.resolve(Probe);
      const baseUrl = `http://${closed.server.node?.address ?? ''}`;
      const { error } = await call(way, 'echo', { text: 'x' }, { baseUrl, headers: { 'Foo-Bar': 'x' } });
      assert.equal(error?.code, 'Unknown');
      assert.equal(closed.resolve(Probe).calls, calls);
    });
  });
