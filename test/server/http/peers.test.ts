import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { compressionGzip } from '@connectrpc/connect-node';
import {
  descriptorOf,
  foreignClient,
  foreignTransport,
  WAYS,
  type Foreign,
  type ForeignClient,
  type TransportExtras,
  type Way,
} from '../../support/connect-peer.js';
import { serveHttp, type Served } from '../../support/http-server.js';
import { Probe } from '../../conformance/probe.js';
import { withoutProtoc } from '../../schema/protoc.js';

async function* asks(...texts: readonly string[]): AsyncIterable<Foreign> {
  for (const [at, text] of texts.entries()) yield { text, count: at + 1 };
}

async function all(stream: AsyncIterable<Foreign>): Promise<unknown[]> {
  const counts: unknown[] = [];
  for await (const { count } of stream) counts.push(count);
  return counts;
}

async function reasonOf(call: Promise<unknown>): Promise<ConnectError> {
  const reason: unknown = await call.then(
    () => assert.fail('it did not fail'),
    (it: unknown) => it,
  );
  assert.ok(reason instanceof ConnectError, String(reason));
  return reason;
}

const service = withoutProtoc === false ? descriptorOf(Probe) : undefined;

function named({ protocol, httpVersion, binary }: Way): string {
  return `${protocol}, ${binary ? 'protobuf' : 'JSON'}, HTTP/${httpVersion}`;
}

for (const way of WAYS)
  describe(`@connectrpc/connect-node calls the http server by ${named(way)}`, { skip: withoutProtoc }, () => {
    let served: Served<Probe>;
    let client: ForeignClient;

    function another(extras: TransportExtras): ForeignClient {
      return foreignClient(service!, foreignTransport(way, `http://${served.address}`, extras));
    }

    before(async () => {
      served = await serveHttp();
      client = another({});
    });
    after(() => served.stop());

    it('a call gives the reply', async () => {
      const reply = await client.unary('echo', { text: 'é', count: -1 });
      assert.deepEqual([reply['text'], reply['count']], ['é', -1]);
    });

    it('sixty-four calls at once get their own replies', async () => {
      const replies = await Promise.all(
        Array.from({ length: 64 }, (_, count) => client.unary('echo', { count })),
      );
      assert.deepEqual(
        replies.map(({ count }) => count),
        Array.from({ length: 64 }, (_, n) => n),
      );
    });

    it('an error keeps code, message and details', async () => {
      const error = await reasonOf(client.unary('fail', { text: 'details' }));
      assert.equal(error.code, Code.FailedPrecondition);
      assert.equal(error.rawMessage, 'not yet é');
      const [detail] = error.details;
      assert.ok(detail !== undefined && 'type' in detail);
      assert.equal(detail.type, 'google.protobuf.Struct');
      const { fields } = fromBinary(StructSchema, detail.value as Uint8Array);
      assert.equal(fields['forMs']?.kind.value, 5);
    });

    it('a request that breaks a rule is refused, with the field', async () => {
      const error = await reasonOf(client.unary('echo', { text: 'x'.repeat(21) }));
      assert.equal(error.code, Code.InvalidArgument);
      assert.deepEqual(
        error.details.map((detail) => ('type' in detail ? detail.type : '')),
        ['google.rpc.BadRequest'],
      );
    });

    it('metadata travels both ways', async () => {
      let header: Headers | undefined;
      let trailer: Headers | undefined;
      const reply = await client.unary(
        'context',
        {},
        {
          headers: { 'foo-bar': 'yes', 'raw-bin': 'AAr/' },
          onHeader: (it) => (header = it),
          onTrailer: (it) => (trailer = it),
        },
      );
      const lines = reply['lines'] as string[];
      assert.ok(lines.includes('foo-bar=yes') && lines.includes('raw-bin=AAr/'), lines.join());
      assert.ok(!lines.some((line) => /^(?:connect-|grpc-|content-|:)/.test(line)), lines.join());
      assert.equal(header?.get('many'), '1, 2');
      assert.equal(trailer?.get('reply-trailer'), 'end');
    });

    it('a stream of replies, with its header and trailer', async () => {
      let header: Headers | undefined;
      let trailer: Headers | undefined;
      const options = {
        onHeader: (it: Headers) => (header = it),
        onTrailer: (it: Headers) => (trailer = it),
      };
      assert.deepEqual(await all(client.server('count', { count: 3 }, options)), [1, 2, 3]);
      assert.deepEqual([header?.get('reply-header'), trailer?.get('reply-trailer')], ['first', 'last']);
      assert.deepEqual(await all(client.server('count', { count: 0 })), []);
    });

    it('a stream that fails gives its items first', async () => {
      const got: unknown[] = [];
      const error = await reasonOf(
        (async () => {
          for await (const { count } of client.server('count', { count: 2, text: 'fail' })) got.push(count);
        })(),
      );
      assert.deepEqual(got, [1, 2]);
      assert.deepEqual([error.code, error.rawMessage], [Code.OutOfRange, 'that was the last']);
    });

    it('a stream of requests', async () => {
      const reply = await client.client('sum', asks('a', 'b', 'c'));
      assert.deepEqual([reply['text'], reply['count']], ['sum', 6]);
      assert.equal((await client.client('sum', asks()))['count'], 0);
    });

    it('a stream both ways', async () => {
      const texts: unknown[] = [];
      for await (const { text } of client.bidi('chat', asks('a', 'b'))) texts.push(text);
      assert.deepEqual(texts, ['a', 'b', 'goodbye']);
    });

    if (way.httpVersion === '2')
      it('a stream both ways at once', async () => {
        let release: () => void = () => {};
        async function* turns(): AsyncIterable<Foreign> {
          for (const text of ['a', 'b', 'c']) {
            yield { text };
            // The next one is sent when the reply to this one is there.
            await new Promise<void>((resolve) => (release = resolve));
          }
        }
        const texts: unknown[] = [];
        for await (const { text } of client.bidi('chat', turns())) {
          texts.push(text);
          release();
        }
        assert.deepEqual(texts, ['a', 'b', 'c', 'goodbye']);
      });

    it('a deadline ends a call, and cancels the handler', async () => {
      const error = await reasonOf(client.unary('wait', {}, { timeoutMs: 300 }));
      assert.equal(error.code, Code.DeadlineExceeded);
      await served.handlers.waiting.next();
      assert.match(await served.handlers.cancelled.next(), /^(cancelled|deadline_exceeded)$/);
    });

    it('an endpoint’s own limit is told', async () => {
      assert.equal((await reasonOf(client.unary('impatient', {}))).code, Code.DeadlineExceeded);
    });

    it('what is left of the deadline travels', async () => {
      const left = Number((await client.unary('context', {}, { timeoutMs: 60_000 }))['count']);
      assert.ok(left > 50_000 && left <= 60_000, String(left));
    });

    it('a caller that leaves cancels the handler', async () => {
      const abort = new AbortController();
      const call = client.unary('wait', {}, { signal: abort.signal });
      const failed = reasonOf(call);
      await served.handlers.waiting.next();
      abort.abort();
      assert.equal((await failed).code, Code.Canceled);
      assert.equal(await served.handlers.cancelled.next(), 'cancelled');
    });

    // Its client does nothing of the kind where somebody breaks out of the loop.
    it('a caller that leaves a stream cancels the handler', async () => {
      const abort = new AbortController();
      const { signal } = abort;
      const reading = async (): Promise<void> => {
        for await (const { count } of client.server('count', { count: 1, text: 'wait' }, { signal })) {
          assert.equal(count, 1);
          abort.abort();
        }
      };
      assert.equal((await reasonOf(reading())).code, Code.Canceled);
      assert.equal(await served.handlers.cancelled.next(), 'cancelled');
    });

    it('requests and replies are packed where both know how', async () => {
      const packing = another({
        acceptCompression: [compressionGzip],
        sendCompression: compressionGzip,
        compressMinBytes: 0,
      });
      const reply = await packing.unary('echo', { text: 'packed', count: 7 });
      assert.deepEqual([reply['text'], reply['count']], ['packed', 7]);
      assert.equal((await packing.client('sum', asks('a', 'b')))['count'], 3);
      assert.deepEqual(await all(packing.server('count', { count: 2 })), [1, 2]);
    });

    it('what is not there is unimplemented, and says what is', async () => {
      const { Gone } = await import('../../support/gone.js');
      const strange = foreignClient(descriptorOf(Gone), foreignTransport(way, `http://${served.address}`));
      for (const call of [() => strange.unary('nothing', {}), () => all(strange.server('nothings', {}))]) {
        const error = await reasonOf(call());
        assert.equal(error.code, Code.Unimplemented);
        assert.match(
          error.rawMessage,
          /no endpoint "Gone\.\w+" at POST .*: there are POST \/conformance\.Probe\//,
        );
      }
    });
  });

describe('@connectrpc/connect-node calls what is idempotent by GET', { skip: withoutProtoc }, () => {
  for (const httpVersion of ['1.1', '2'] as const)
    for (const binary of [true, false])
      it(`${binary ? 'protobuf' : 'JSON'}, HTTP/${httpVersion}`, async () => {
        const served = await serveHttp({
          routes: (app) => {
            app.addHook('onRequest', async (request) => void verbs.push(request.method));
          },
        });
        const verbs: string[] = [];
        try {
          const transport = foreignTransport(
            { protocol: 'connect', httpVersion, binary },
            `http://${served.address}`,
            { useHttpGet: true },
          );
          const client = foreignClient(service!, transport);
          assert.equal((await client.unary('again', { text: 'é' }))['text'], 'done');
          assert.equal(
            (await reasonOf(client.unary('again', { text: 'x'.repeat(21) }))).code,
            Code.InvalidArgument,
          );
          await client.unary('echo', {});
          assert.deepEqual(verbs, ['GET', 'GET', 'POST']);
        } finally {
          await served.stop();
        }
      });
});
