import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsEmail,
  IsIn,
  IsOptional,
  Length,
  Matches,
  Max,
  Min,
  ValidateIf,
} from 'class-validator';
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
import { memory as memoryBroker } from '../../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../../src/registry/memory.js';
import { Any } from '../../../src/schema/any.js';
import { Duration } from '../../../src/schema/duration.js';
import { Empty } from '../../../src/schema/empty.js';
import type { JsonObject, JsonValue } from '../../../src/schema/json-value.js';
import type { Ref } from '../../../src/schema/message-type.js';
import { protoEnum } from '../../../src/schema/proto-enum.js';
import { http, type HttpServerOptions } from '../../../src/server/http.js';
import { createService } from '../../../src/service/run.js';
import { TestLogger } from '../../../src/testing/test-logger.js';
import { Probe } from '../../conformance/probe.js';

const Colour = protoEnum('openapi.Colour', { COLOUR_UNSPECIFIED: 0, RED: 1 });

@Message('openapi.Tree')
class Tree {
  @Field(1, 'string') name = '';
  @Repeated(2, () => Tree) children: Ref<Tree>[] = [];
}

@Message('openapi.Thing')
class Thing {
  @Field(1, 'string') @Length(1, 64) @Matches(/^[a-z]+$/) name = '';
  @Field(2, 'int32') @Min(0) @Max(10) count = 0;
  @Field(3, 'int64') big = 0n;
  @Field(4, 'bytes') raw: Uint8Array = new Uint8Array();
  @Field(5, 'google.protobuf.Timestamp') since?: Date;
  @Field(6, 'google.protobuf.Duration') lasts?: Duration;
  @Field(7, Colour) colour: number = 0;
  @MapField(8, 'string', 'int32') scores = new Map<string, number>();
  @OneOf('choice') @Field(9, 'string') left?: string;
  @OneOf('choice') @Field(10, Tree) right?: Tree;
  @Repeated(11, 'string') @ArrayMinSize(1) @ArrayMaxSize(3) @Length(2, 8, { each: true }) tags: string[] = [];
  @Field(12, Any) any?: Any;
  @Field(13, 'google.protobuf.Struct') struct?: JsonObject;
  @Field(14, 'google.protobuf.Value') value?: JsonValue;
  @Field(15, 'google.protobuf.BoolValue') sure?: boolean;
  @Field(16, 'string', { optional: true }) @IsOptional() @IsEmail() email?: string;
  @Field(17, 'string') @ValidateIf(() => false) @Length(9) never = '';
  @Field(18, 'string') @IsIn(['a', 'b']) letter = '';
  @Field(19, 'string') @Matches(/x/i) flagged = '';
  @Field(20, 'uint64') @Min(5) long = 0n;
}

@Service({ name: 'things', version: '1.2.3' })
class Things {
  @Http('GET', '/things/:name')
  @Http('PUT', '/things/:name')
  @Handler(Thing, Thing, { idempotent: true })
  async look(it: Thing): Promise<Thing> {
    return it;
  }

  @Http('GET', '/trees')
  @Handler(Tree, Tree, { stream: 'server' })
  async *grow(it: Tree): AsyncIterable<Tree> {
    yield it;
  }

  @Http('POST', '/nothing')
  @Handler(Empty, Empty)
  async nothing(): Promise<Empty> {
    return {};
  }
}

async function served(
  type: new () => object,
  run: (url: string) => Promise<void>,
  options: HttpServerOptions = {},
): Promise<void> {
  const service = createService({
    services: [type],
    server: http(options),
    registry: memoryRegistry(),
    broker: memoryBroker(),
    logger: () => new TestLogger(),
    env: {},
  });
  await service.start();
  try {
    await run(`http://${service.server.node?.address ?? ''}`);
  } finally {
    await service.stop();
  }
}

interface Document {
  readonly openapi: string;
  readonly info: unknown;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, { readonly content: object }>>;
}

interface Schema {
  readonly properties: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
  readonly allOf?: unknown;
  readonly enum?: readonly string[];
}

async function documentOf(url: string): Promise<Document> {
  const answer = await fetch(`${url}/openapi.json`);
  assert.deepEqual(
    [answer.status, answer.headers.get('content-type')],
    [200, 'application/json; charset=utf-8'],
  );
  return (await answer.json()) as Document;
}

describe('the OpenAPI document', () => {
  for (const type of [Things, Probe])
    it(`of ${type.name} keeps the schema of OpenAPI 3.1`, () =>
      served(type, async (url) => {
        const validator = new Validator();
        const { valid, errors } = await validator.validate({ ...(await documentOf(url)) });
        assert.deepEqual([valid, errors], [true, undefined]);
        assert.equal(validator.version, '3.1');
      }));

  it('says what the service is, and has each endpoint by its path and by its routes', () =>
    served(Things, async (url) => {
      const { info, paths } = await documentOf(url);
      assert.deepEqual(info, { title: 'things', version: '1.2.3' });
      const all = Object.entries(paths).map(([path, item]) => `${Object.keys(item).join()} ${path}`);
      assert.deepEqual(all.sort(), [
        'get /trees',
        'get,post /things.Things/Look',
        'get,put /things/{name}',
        'post /nothing',
        'post /things.Things/Grow',
        'post /things.Things/Nothing',
      ]);
      const ids = Object.values(paths).flatMap((item) =>
        Object.values(item).map(({ operationId }) => operationId),
      );
      assert.equal(new Set(ids).size, ids.length);
    }));

  it('has the ProtoJSON form of every kind of field, and the rules that have a word there', () =>
    served(Things, async (url) => {
      const { schemas } = (await documentOf(url)).components;
      const thing = schemas['openapi.Thing'];
      assert.deepEqual(thing?.properties, {
        name: { type: 'string', minLength: 1, maxLength: 64, pattern: '^[a-z]+$' },
        count: { type: 'integer', format: 'int32', minimum: 0, maximum: 10 },
        big: { type: 'string', format: 'int64', pattern: '^-?[0-9]+$' },
        raw: { type: 'string', contentEncoding: 'base64' },
        since: { type: 'string', format: 'date-time' },
        lasts: { type: 'string', pattern: '^-?[0-9]+(\\.[0-9]{1,9})?s$' },
        colour: { $ref: '#/components/schemas/openapi.Colour' },
        scores: { type: 'object', additionalProperties: { type: 'integer', format: 'int32' } },
        left: { type: 'string' },
        right: { $ref: '#/components/schemas/openapi.Tree' },
        tags: {
          type: 'array',
          items: { type: 'string', minLength: 2, maxLength: 8 },
          minItems: 1,
          maxItems: 3,
        },
        any: { $ref: '#/components/schemas/google.protobuf.Any' },
        struct: { type: 'object' },
        value: {},
        sure: { type: 'boolean' },
        email: { type: 'string', format: 'email' },
        never: { type: 'string' },
        letter: { type: 'string', enum: ['a', 'b'] },
        flagged: { type: 'string' },
        long: { type: 'string', format: 'uint64', pattern: '^[0-9]+$' },
      });
      // Those that a rule refuses when they are not there.
      assert.deepEqual(thing?.required, ['name', 'tags', 'letter', 'flagged', 'long']);
      const members = [{ required: ['left'] }, { required: ['right'] }];
      assert.deepEqual(thing?.allOf, [{ oneOf: [...members, { not: { anyOf: members } }] }]);
      assert.deepEqual(schemas['openapi.Tree']?.properties['children'], {
        type: 'array',
        items: { $ref: '#/components/schemas/openapi.Tree' },
      });
      assert.deepEqual(schemas['openapi.Colour']?.enum, ['COLOUR_UNSPECIFIED', 'RED']);
    }));

  it('has a route’s fields where a request has them', () =>
    served(Things, async (url) => {
      const { paths } = await documentOf(url);
      const { get, put } = paths['/things/{name}'] ?? {};
      assert.deepEqual(
        get?.parameters.map(({ name, in: place, required }) => [name, place, required]).slice(0, 3),
        [
          ['name', 'path', true],
          ['count', 'query', undefined],
          ['big', 'query', undefined],
        ],
      );
      const named = get?.parameters.map(({ name }) => name) ?? [];
      assert.ok(named.includes('right.name') && !named.includes('scores') && !named.includes('right'));
      const body = put?.requestBody?.content['application/json']?.schema;
      assert.ok(body !== undefined && !('name' in body.properties) && 'count' in body.properties);
      assert.deepEqual(body.required, ['tags', 'letter', 'flagged', 'long']);
      assert.deepEqual(Object.keys(paths['/trees']?.['get']?.responses['200']?.content ?? {}), [
        'application/x-ndjson',
        'text/event-stream',
      ]);
    }));

  it('is left out where that is asked for', () =>
    served(
      Things,
      async (url) => {
        const { status } = await fetch(`${url}/openapi.json`);
        assert.equal(status, 404);
      },
      { openapi: false },
    ));
});

describe('REST routes on the http server', () => {
  it('are served beside the endpoints, whatever the length of a parameter', () =>
    served(Things, async (url) => {
      const long = await fetch(`${url}/things/${'x'.repeat(300)}?long=5`);
      const refused = (await long.json()) as { readonly message: string };
      assert.equal(long.status, 400);
      assert.match(refused.message, /openapi.Thing.name/);
      const nothing = await fetch(`${url}/nothing`, { method: 'POST' });
      assert.deepEqual([nothing.status, await nothing.json()], [200, {}]);
    }));

  it('are an error at start where the server has such a path itself', async () => {
    @Service({ name: 'wrong' })
    class Wrong {
      @Http('GET', '/health')
      @Handler(Empty, Empty)
      async look(): Promise<Empty> {
        return {};
      }
    }
    await assert.rejects(
      served(Wrong, async () => {}),
      /@Http\('GET', '\/health'\) of Wrong\.Look: the http server has that for itself/,
    );
  });
});

describe('a path that is not there', () => {
  it('is told which there are, REST routes among them', () =>
    served(Things, async (url) => {
      const answer = await fetch(`${url}/thing/ada`);
      const { code, message } = (await answer.json()) as { code: string; message: string };
      assert.deepEqual([answer.status, code], [404, 'unimplemented']);
      assert.match(message, /at GET \/thing\/ada: there are POST \/things\.Things\/Grow, GET \/trees, /);
    }));
});
