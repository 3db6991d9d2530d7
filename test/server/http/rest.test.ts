import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Length, Min } from 'class-validator';
import {
  Field,
  Handler,
  Http,
  MapField,
  Message,
  OneOf,
  Repeated,
  Service,
} from '../../../decorators/index.js';
import type { Context } from '../../../src/core/context.js';
import { OctavoError } from '../../../src/core/error.js';
import { Duration } from '../../../src/schema/duration.js';
import { protoEnum } from '../../../src/schema/proto-enum.js';
import type { ServiceClass } from '../../../src/schema/service-declaration.js';
import { restBench, restDispatcher, type RestBench } from '../../support/rest-bench.js';
import { restRoutes } from '../../../src/server/http/rest-route.js';

const Colour = protoEnum('rest.Colour', { COLOUR_UNSPECIFIED: 0, RED: 1, BLUE: 2 });

@Message('rest.Place')
class Place {
  @Field(1, 'string') street = '';
  @Field(2, 'int32') floor = 0;
}

@Message('rest.Ask')
class Ask {
  @Field(1, 'string') @Length(0, 10) name = '';
  @Field(2, 'int32') @Min(0) count = 0;
  @Field(3, 'int64') userId = 0n;
  @Field(4, 'bool') loud = false;
  @Field(5, Colour) colour: number = 0;
  @Field(6, 'bytes') raw: Uint8Array = new Uint8Array();
  @Field(7, 'double') weight = 0;
  @Field(8, 'google.protobuf.Timestamp') since?: Date;
  @Field(9, 'google.protobuf.Duration') lasts?: Duration;
  @Field(10, Place) place?: Place;
  @Repeated(11, 'string') tags: string[] = [];
  @Repeated(12, 'bool') flags: boolean[] = [];
  @MapField(13, 'string', 'int32') scores = new Map<string, number>();
  @OneOf('choice') @Field(14, 'string') left?: string;
  @OneOf('choice') @Field(15, 'string') right?: string;
  @Field(16, 'google.protobuf.BoolValue') sure?: boolean;
}

@Service({ name: 'rest', version: '1' })
class Things {
  seen: Ask | undefined;
  cancelled: Promise<string> | undefined;

  @Http('GET', '/things/:user_id/:name')
  @Http('GET', '/things')
  @Http('DELETE', '/things/:userId')
  @Http('PUT', '/things/:userId')
  @Http('POST', '/things')
  @Handler(Ask, Ask)
  async echo(ask: Ask, context: Context): Promise<Ask> {
    this.seen = ask;
    context.reply.header.append('Seen', String(context.metadata.get('X-Given')));
    context.reply.trailer.append('Done', 'yes');
    return ask;
  }

  @Http('GET', '/fail/:name')
  @Handler(Ask, Ask)
  async fail({ name }: Ask): Promise<Ask> {
    if (name === 'plain') throw new Error('a secret of the house');
    if (name === 'busy')
      throw new OctavoError('resource_exhausted', 'busy', { details: [{ type: 'retry_after', ms: 1_500 }] });
    throw new OctavoError('not_found', `no ${name}`, { details: [{ type: 'wait', forMs: 5 }] });
  }

  @Http('GET', '/count/:count')
  @Handler(Ask, Ask, { stream: 'server' })
  async *count({ count, name }: Ask, context: Context): AsyncIterable<Ask> {
    this.cancelled = new Promise((resolve) => context.onCancel(({ code }) => resolve(code)));
    if (name === 'early') throw new OctavoError('permission_denied', 'no');
    for (let n = 1; n <= count; n++) yield Object.assign(new Ask(), { count: n });
    if (name === 'late') throw new OctavoError('aborted', 'enough');
    if (name === 'wait') await new Promise(() => {});
  }
}

let bench: RestBench;
const things = new Things();
before(async () => {
  bench = await restBench(Things, things);
});
after(() => bench.stop());

/** A reply, and the members that an error has. */
interface Said {
  readonly code?: string;
  readonly message?: string;
  readonly details?: readonly {
    readonly type: string;
    readonly debug: { readonly fieldViolations?: readonly { readonly field: string }[] };
  }[];
}

async function ask(
  path: string,
  init?: RequestInit,
): Promise<{ status: number; json: Said; headers: Headers }> {
  const answer = await fetch(bench.url + path, init);
  const text = await answer.text();
  return { status: answer.status, json: JSON.parse(text) as Said, headers: answer.headers };
}

function json(value: unknown, more: Record<string, string> = {}): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...more },
    body: JSON.stringify(value),
  };
}

describe('a REST route', () => {
  it('takes fields from its path, under either of their names, and from the query', async () => {
    const { status, json: body } = await ask(
      '/things/9007199254740993/Ada%20L?count=3&loud=true&colour=BLUE',
    );
    assert.equal(status, 200);
    assert.deepEqual(body, {
      name: 'Ada L',
      count: 3,
      userId: '9007199254740993',
      loud: true,
      colour: 'BLUE',
    });
    assert.ok(things.seen instanceof Ask);
    assert.deepEqual([things.seen.userId, things.seen.colour], [9007199254740993n, Colour.BLUE]);
  });

  it('takes every form of a value that a text can have from the query', async () => {
    const query =
      'raw=AAr_&weight=NaN&since=2026-01-02T03:04:05Z&lasts=1.5s&place.street=High%20St&place.floor=-1' +
      '&tags=a&tags=b&flags=true&flags=false&sure=false&left=l&colour=1&unknown=ignored&user_id=7';
    const { status, json: body } = await ask(`/things?${query}`);
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body, {
      userId: '7',
      raw: 'AAr/',
      weight: 'NaN',
      since: '2026-01-02T03:04:05Z',
      lasts: '1.500s',
      place: { street: 'High St', floor: -1 },
      tags: ['a', 'b'],
      flags: [true, false],
      sure: false,
      left: 'l',
      colour: 'RED',
    });
  });

  it('takes fields from the body of other verbs, where the path goes before it', async () => {
    const { status, json: body } = await ask('/things', json({ name: 'Ada', scores: { a: 1 }, place: {} }));
    assert.deepEqual([status, body], [200, { name: 'Ada', place: {}, scores: { a: 1 } }]);
    const put = await ask('/things/8?count=9', { ...json({ user_id: '1', count: 2 }), method: 'PUT' });
    assert.deepEqual([put.status, put.json], [200, { userId: '8', count: 2 }]);
    const empty = await ask('/things', { method: 'POST' });
    assert.deepEqual([empty.status, empty.json], [200, {}]);
  });

  for (const [path, what, field] of [
    ['/things?count=abc', /^the query parameter "count": expected a number, got "abc"$/, 'count'],
    ['/things?count=1.5', /^the query parameter "count": expected a 32-bit integer/, 'count'],
    ['/things?user_id=x', /^the query parameter "user_id": expected a number/, 'userId'],
    ['/things/x/y', /^the path parameter "user_id": expected a number/, 'userId'],
    ['/things?loud=1', /^the query parameter "loud": expected true or false, got "1"$/, 'loud'],
    ['/things?flags=true&flags=x', /^the query parameter "flags": expected true or false/, 'flags'],
    [
      '/things?colour=GREEN',
      /^the query parameter "colour": expected a name or number of rest.Colour/,
      'colour',
    ],
    ['/things?since=today', /^the query parameter "since": /, 'since'],
    ['/things?name=a&name=b', /^the query parameter "name": it is there twice$/, 'name'],
    ['/things?userId=1&user_id=2', /^the query parameter "user_id": it is there twice$/, 'userId'],
    ['/things?place=x', /^the query parameter "place": it is a map or a message/, 'place'],
    ['/things?scores=x', /^the query parameter "scores": it is a map or a message/, 'scores'],
    ['/things?place.floor=x', /^the query parameter "place.floor": expected a number/, 'place.floor'],
    ['/things?left=a&right=b', /^the query parameter "right": .*only one of the oneof/, 'right'],
    ['/things?name=12345678901', /rest.Ask.name: /, 'name'],
    ['/things?count=-1', /rest.Ask.count: /, 'count'],
  ] as const)
    it(`refuses ${path}, and names the parameter`, async () => {
      const { status, json: body } = await ask(path);
      assert.deepEqual([status, body.code], [400, 'invalid_argument']);
      assert.match(body.message ?? '', what);
      const [detail] = body.details ?? [];
      assert.equal(detail?.type, 'google.rpc.BadRequest');
      assert.equal(detail?.debug.fieldViolations?.[0]?.field, field);
    });

  it('refuses a body that is no JSON object, is too long, or of another type', async () => {
    const type = { 'content-type': 'application/json' };
    for (const [body, headers, status, like] of [
      ['[1]', type, 400, /the body is no JSON object/],
      ['{', type, 400, /the body is no JSON/],
      ['{"count":"x"}', type, 400, /rest.Ask.count: expected a number/],
      [JSON.stringify({ name: 'x'.repeat(10_000) }), type, 413, /POST \/things is too long/],
      ['a=b', { 'content-type': 'multipart/form-data; boundary=x' }, 415, /not "multipart\/form-data/],
      [`${'{"place":'.repeat(900)}{}${'}'.repeat(900)}`, type, 400, /objects and lists inside each other/],
    ] as const) {
      const answer = await ask('/things', { method: 'POST', headers, body });
      assert.equal(answer.status, status);
      assert.match(answer.json.message ?? '', like);
    }
  });

  it('answers an error with the status of its code, and its details', async () => {
    const { status, json: body, headers } = await ask('/fail/thing');
    assert.deepEqual([status, body.code, body.message], [404, 'not_found', 'no thing']);
    assert.deepEqual(body.details?.[0]?.debug, { type: 'wait', forMs: 5 });
    assert.match(headers.get('content-type') ?? '', /^application\/json/);
    const busy = await ask('/fail/busy');
    assert.deepEqual([busy.status, busy.headers.get('retry-after')], [429, '2']);
    const plain = await ask('/fail/plain');
    assert.equal(plain.status, 500);
    assert.doesNotMatch(JSON.stringify(plain.json), /secret/);
  });

  it('carries metadata both ways', async () => {
    const { headers } = await ask('/things', { headers: { 'X-Given': 'this' } });
    assert.deepEqual([headers.get('seen'), headers.get('trailer-done')], ['this', 'yes']);
  });

  it('gives a stream as lines of JSON, the error as the last one', async () => {
    const lines = async (path: string): Promise<unknown[]> => {
      const answer = await fetch(bench.url + path);
      assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'application/x-ndjson']);
      const text = await answer.text();
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as unknown);
    };
    assert.deepEqual(await lines('/count/2'), [{ result: { count: 1 } }, { result: { count: 2 } }]);
    assert.deepEqual(await lines('/count/0'), []);
    assert.deepEqual(await lines('/count/1?name=late'), [
      { result: { count: 1 } },
      { error: { code: 'aborted', message: 'enough' } },
    ]);
    const early = await ask('/count/1?name=early');
    assert.deepEqual([early.status, early.json.code], [403, 'permission_denied']);
  });

  it('gives a stream as server-sent events to who accepts them', async () => {
    const answer = await fetch(`${bench.url}/count/1?name=late`, {
      headers: { accept: 'text/event-stream' },
    });
    assert.equal(answer.headers.get('content-type'), 'text/event-stream');
    const error = '{"code":"aborted","message":"enough"}';
    assert.equal(await answer.text(), `data: {"count":1}\n\nevent: error\ndata: ${error}\n\n`);
  });

  it('cancels the handler when the caller goes away', async () => {
    const abort = new AbortController();
    const answer = await fetch(`${bench.url}/count/1?name=wait`, { signal: abort.signal });
    await answer.body?.getReader().read();
    abort.abort();
    assert.equal(await things.cancelled, 'cancelled');
  });
});

describe('a REST route that cannot be', () => {
  const refused = (type: ServiceClass, like: RegExp): void =>
    assert.throws(
      () =>
        restRoutes(
          restDispatcher(type, Object.create(type.prototype as object)).endpoints.map((each) => each.method),
        ),
      (error) => {
        assert.ok(error instanceof OctavoError && error.code === 'failed_precondition', String(error));
        assert.match(error.message, like);
        return true;
      },
    );
  const routed = (...paths: string[]): ServiceClass => {
    @Service({ name: 'wrong' })
    class Wrong {
      @Handler(Ask, Ask)
      async one(it: Ask): Promise<Ask> {
        return it;
      }
      @Handler(Ask, Ask)
      async two(it: Ask): Promise<Ask> {
        return it;
      }
      @Handler(Ask, Ask, { stream: 'bidi' })
      async *both(them: AsyncIterable<Ask>): AsyncIterable<Ask> {
        yield* them;
      }
    }
    const properties = ['one', 'two', 'both'];
    for (const [at, path] of paths.entries())
      if (path !== '') Http('GET', path)(Wrong.prototype, properties[at] ?? '', {});
    return Wrong;
  };

  it('is an error at start that names it', () => {
    refused(
      routed('/x/:nobody'),
      /@Http\('GET', '\/x\/:nobody'\) of Wrong.One: :nobody is no field of rest.Ask/,
    );
    refused(routed('/x/:place'), /:place is a list, a map or a message/);
    refused(routed('/x/:tags'), /:tags is a list/);
    refused(routed('/x/:name/:name'), /names a field twice/);
    refused(routed('x'), /a path begins with "\/"/);
    refused(routed('/x/*'), /"\*" is no part of a path/);
    refused(routed('/x//y'), /"" is no part of a path/);
    refused(routed('', '', '/x'), /requests are a stream/);
    refused(routed('/x/:name', '/x/:count'), /Wrong.One has GET \/x\/:name, which is the same to a request/);
  });

  it('is an error when it stands on no endpoint', () => {
    @Service()
    class Bare {
      async one(): Promise<void> {}
    }
    Http('GET', '/x')(Bare.prototype, 'one', {});
    assert.throws(
      () => restDispatcher(Bare, new Bare()),
      /class Bare: @Http stands on one, which is no endpoint/,
    );
  });
});
