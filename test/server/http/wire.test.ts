import assert from 'node:assert/strict';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { after, before, describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { writeFrame } from '../../../src/core/grpc-frames.js';
import { schemaOf } from '../../../src/schema/schema.js';
import { Ask, Told, type Probe } from '../../conformance/probe.js';
import { serveHttp, type Served } from '../../support/http-server.js';

const JSON_TYPE = { 'content-type': 'application/json' };

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

describe('the wire of the http server', () => {
  let served: Served<Probe>;
  before(async () => {
    served = await serveHttp();
  });
  after(() => served.stop());

  async function ask(path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(`http://${served.address}${path}`, init);
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  function post(
    endpoint: string,
    body: string | Uint8Array<ArrayBuffer>,
    headers: Readonly<Record<string, string>> = JSON_TYPE,
  ): Promise<Answer> {
    return ask(`/conformance.Probe/${endpoint}`, { method: 'POST', body, headers });
  }

  function failed({ text }: Answer): { code: string; message: string } {
    return JSON.parse(text) as { code: string; message: string };
  }

  it('JSON in, JSON out', async () => {
    const { status, headers, text } = await post('Echo', '{"text":"é","count":3}');
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'application/json');
    assert.deepEqual(JSON.parse(text), { text: 'é', count: 3 });
  });

  it('protobuf in, protobuf out', async () => {
    for (const type of ['application/proto', 'application/protobuf', 'Application/Proto; charset=x']) {
      const body = new Uint8Array(schemaOf(Ask).encode({ text: 'a', count: 1 }));
      const response = await fetch(`http://${served.address}/conformance.Probe/Echo`, {
        method: 'POST',
        body,
        headers: { 'content-type': type },
      });
      const told = schemaOf(Told).decode(new Uint8Array(await response.arrayBuffer()));
      assert.deepEqual([told.text, told.count], ['a', 1]);
    }
  });

  it('an error has the status of its code, and says what went wrong as Connect does', async () => {
    const answer = await post('Fail', '{"text":"thing"}');
    assert.equal(answer.status, 404);
    assert.deepEqual(JSON.parse(answer.text), { code: 'not_found', message: 'no thing' });
    const detailed = JSON.parse((await post('Fail', '{"text":"details"}')).text) as {
      details: { type: string; value: string; debug: unknown }[];
    };
    const [detail] = detailed.details;
    assert.equal(detail?.type, 'google.protobuf.Struct');
    assert.deepEqual(detail?.debug, { type: 'wait', forMs: 5 });
    assert.doesNotMatch(detail?.value ?? '=', /=/);
  });

  it('what is put behind a reply is in headers that begin with Trailer-', async () => {
    const { headers } = await post('Context', '{}');
    assert.equal(headers.get('trailer-reply-trailer'), 'end');
    assert.equal(headers.get('many'), '1, 2');
  });

  it('a request in the query, as text and as base64, packed and not', async () => {
    const path = '/conformance.Probe/Again';
    const text = encodeURIComponent('{"text":"a"}');
    assert.equal((await ask(`${path}?encoding=json&message=${text}`)).status, 200);
    const bytes = schemaOf(Ask).encode({ text: 'a' });
    const plain = Buffer.from(bytes).toString('base64url');
    const packed = gzipSync(bytes).toString('base64url');
    assert.equal((await ask(`${path}?connect=v1&encoding=proto&base64=1&message=${plain}`)).status, 200);
    const both = `${path}?connect=v1&encoding=proto&base64=1&compression=gzip&message=${packed}`;
    assert.equal((await ask(both)).status, 200);
    for (const [query, like] of [
      ['', /no "encoding"/],
      ['?encoding=xml&message={}', /encoding=xml/],
      ['?encoding=json', /no "message"/],
      ['?connect=v2&encoding=json&message={}', /v2 is not v1/],
    ] as const) {
      const answer = await ask(`${path}${query}`);
      assert.equal(answer.status, 400);
      assert.match(failed(answer).message, like);
    }
  });

  it('what is not idempotent is not there for GET: 405 says by what it is', async () => {
    for (const [endpoint, method, allowed] of [
      ['Echo', 'GET', 'POST'],
      ['Again', 'PUT', 'GET, POST'],
      ['Count', 'GET', 'POST'],
    ] as const) {
      const answer = await ask(`/conformance.Probe/${endpoint}?encoding=json&message={}`, { method });
      assert.equal(answer.status, 405);
      assert.equal(answer.headers.get('allow'), allowed);
      assert.match(failed(answer).message, /use (?:GET or )?POST/);
    }
  });

  it('another content type: 415 says what is taken', async () => {
    const form = new FormData();
    form.set('text', 'a');
    const multipart = await ask('/conformance.Probe/Echo', { method: 'POST', body: form });
    assert.equal(multipart.status, 415);
    assert.match(
      failed(multipart).message,
      /^Probe\.Echo does not take "multipart\/form-data": it takes application\/json, /,
    );
    assert.match(multipart.headers.get('accept-post') ?? '', /application\/json/);
    const stream = await post('Count', '{}');
    assert.equal(stream.status, 415);
    assert.match(failed(stream).message, /as a stream it takes application\/connect\+json/);
    const framed = await post('Echo', '', { 'content-type': 'application/connect+json' });
    assert.equal(framed.status, 415);
    const nothing = await ask('/conformance.Probe/Echo', { method: 'POST' });
    assert.match(failed(nothing).message, /a body without Content-Type/);
  });

  it('what is not there: 404 says what is', async () => {
    const answer = await post('Nothing', '{}');
    assert.equal(answer.status, 404);
    assert.equal(failed(answer).code, 'unimplemented');
    assert.match(failed(answer).message, /"Probe\.Nothing".*POST \/conformance\.Probe\/Echo.*GET \/health/);
    assert.equal((await ask('/')).status, 404);
  });

  it('headers of the protocol that say nothing are refused', async () => {
    for (const [name, value] of [
      ['connect-timeout-ms', 'soon'],
      ['connect-timeout-ms', '12345678901'],
      ['connect-protocol-version', '2'],
    ] as const) {
      const answer = await post('Echo', '{}', { ...JSON_TYPE, [name]: value });
      assert.deepEqual([answer.status, failed(answer).code], [400, 'invalid_argument']);
    }
    const late = await post('Echo', '{}', { ...JSON_TYPE, 'connect-timeout-ms': '0' });
    assert.deepEqual([late.status, failed(late).code], [504, 'deadline_exceeded']);
  });

  it('a packed request is read, and one that is packed in another way refused', async () => {
    const packed = gzipSync('{"text":"packed"}') as Uint8Array<ArrayBuffer>;
    const { text } = await post('Echo', packed, { ...JSON_TYPE, 'content-encoding': 'gzip' });
    assert.deepEqual(JSON.parse(text), { text: 'packed' });
    const other = await post('Echo', '{}', { ...JSON_TYPE, 'content-encoding': 'br' });
    assert.deepEqual([other.status, failed(other).code], [501, 'unimplemented']);
    assert.match(failed(other).message, /gzip/);
  });

  it('a body that is no JSON, and one that is cut, are the caller’s fault', async () => {
    for (const body of ['{', '[]', '\0']) {
      const answer = await post('Echo', body);
      assert.deepEqual([answer.status, failed(answer).code], [400, 'invalid_argument']);
    }
    const cut = await post('Sum', Buffer.from([0, 0, 0, 0, 9, 1]), {
      'content-type': 'application/connect+proto',
    });
    assert.match(cut.text, /"invalid_argument".*in the middle of a message/);
  });

  it('a stream in Connect’s envelopes, byte by byte', async () => {
    const response = await fetch(`http://${served.address}/conformance.Probe/Count`, {
      method: 'POST',
      body: writeFrame(Buffer.from('{"count":2}')),
      headers: { 'content-type': 'application/connect+json' },
    });
    assert.equal(response.headers.get('content-type'), 'application/connect+json');
    const [one, two, end, ...rest] = frames(Buffer.from(await response.arrayBuffer()));
    assert.deepEqual([one?.flags, two?.flags, end?.flags, rest.length], [0, 0, 2, 0]);
    assert.deepEqual(JSON.parse(two?.body.toString() ?? ''), { count: 2 });
    assert.deepEqual(JSON.parse(end?.body.toString() ?? ''), { metadata: { 'reply-trailer': ['last'] } });
  });

  it('a long message of a stream is packed for who reads gzip', async () => {
    const packing = await serveHttp({ compressMinBytes: 0 });
    try {
      const response = await fetch(`http://${packing.address}/conformance.Probe/Count`, {
        method: 'POST',
        body: writeFrame(Buffer.from('{"count":1}')),
        headers: { 'content-type': 'application/connect+json', 'connect-accept-encoding': 'br, gzip' },
      });
      assert.equal(response.headers.get('connect-content-encoding'), 'gzip');
      const [one] = frames(Buffer.from(await response.arrayBuffer()));
      assert.equal(one?.flags, 1);
      assert.deepEqual(JSON.parse(gunzipSync(one?.body ?? '').toString()), { count: 1 });
    } finally {
      await packing.stop();
    }
  });

  it('gRPC-Web as text: base64 both ways, in pieces', async () => {
    const frame = writeFrame(schemaOf(Ask).encode({ text: 'a', count: 2 }));
    const body = frame.subarray(0, 4).toString('base64') + frame.subarray(4).toString('base64');
    for (const type of ['application/grpc-web-text', 'application/grpc-web-text+proto']) {
      const { status, headers, text } = await post('Echo', body, { 'content-type': type });
      assert.deepEqual([status, headers.get('content-type')], [200, type]);
      const bytes = Buffer.concat((text.match(/[^=]+={0,2}/g) ?? []).map((it) => Buffer.from(it, 'base64')));
      const [reply, trailers] = frames(bytes);
      assert.equal(schemaOf(Told).decode(reply?.body ?? Buffer.alloc(0)).text, 'a');
      assert.equal(trailers?.flags, 0x80);
      assert.match(trailers?.body.toString() ?? '', /^grpc-status: 0\r\n$/);
    }
  });

  it('gRPC-Web says an error in its trailers, percent-encoded, with status details', async () => {
    const body = writeFrame(Buffer.from('{"text":"details"}')) as Uint8Array<ArrayBuffer>;
    const { status, text } = await post('Fail', body, { 'content-type': 'application/grpc-web+json' });
    assert.equal(status, 200);
    assert.match(text, /grpc-status: 9\r\ngrpc-message: not yet %C3%A9\r\ngrpc-status-details-bin: \w/);
  });

  it('several messages where there is one to be are refused', async () => {
    const one = writeFrame(Buffer.from('{}'));
    const two = Buffer.concat([one, one]);
    const count = await post('Count', two, { 'content-type': 'application/connect+json' });
    assert.match(count.text, /"unimplemented".*takes one request/);
    const none = await post('Count', '', { 'content-type': 'application/connect+json' });
    assert.match(none.text, /"invalid_argument".*got no request/);
  });

  it('HTTP/2 without TLS on the same port', async () => {
    const session = connectHttp2(`http://${served.address}`);
    try {
      const [status, text] = await askHttp2(session, '/conformance.Probe/Echo', '{"text":"two"}');
      assert.deepEqual([status, JSON.parse(text)], [200, { text: 'two' }]);
      assert.equal((await askHttp2(session, '/health', undefined))[0], 200);
    } finally {
      session.destroy();
    }
  });

  it('shows how it is', async () => {
    assert.deepEqual(JSON.parse((await ask('/health')).text), { status: 'ok' });
    assert.equal((await ask('/ready')).status, 200);
    assert.equal((await ask('/metrics')).status, 404);
    assert.deepEqual(
      JSON.parse(
        (await ask('/conformance.Debug/Health', { method: 'POST', body: '{}', headers: JSON_TYPE })).text,
      ),
      {
        status: 'ok',
      },
    );
  });

  it('says in the registry what it is', () => {
    const { metadata } = served.service.server.node ?? {};
    assert.deepEqual(
      [metadata?.['server'], metadata?.['protocol'], metadata?.['transport']],
      ['http', 'http', 'http'],
    );
  });
});

interface Frame {
  readonly flags: number;
  readonly body: Buffer;
}

function frames(bytes: Buffer): Frame[] {
  const found: Frame[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    found.push({ flags: bytes[at] ?? 0, body: bytes.subarray(at + 5, end) });
    at = end;
  }
  return found;
}

function askHttp2(
  session: ClientHttp2Session,
  path: string,
  body: string | undefined,
): Promise<[status: number | undefined, text: string]> {
  const method = body === undefined ? 'GET' : 'POST';
  const stream = session.request({ ':path': path, ':method': method, ...(body !== undefined && JSON_TYPE) });
  stream.end(body);
  return new Promise((resolve, reject) => {
    let status: number | undefined;
    let text = '';
    stream.on('response', (headers) => (status = headers[':status']));
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    stream.on('end', () => resolve([status, text]));
    stream.on('error', reject);
  });
}
