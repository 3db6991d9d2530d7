import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Field, Message, Repeated } from '../../../decorators/index.js';
import { readEnd } from '../../../src/client/http/wire.js';
import { CODES, OctavoError, type Code } from '../../../src/core/error.js';
import type { Method } from '../../../src/schema/method.js';
import { readConnectError, writeConnectError } from '../../../src/schema/connect-error.js';
import { readRest } from '../../../src/server/http/rest-request.js';
import { restRoutes } from '../../../src/server/http/rest-route.js';
import { damaged } from '../damage.js';
import { text } from '../messages.js';
import { target } from '../target.js';

const codes = fc.constantFrom(...(Object.keys(CODES) as Code[])); // every code is in the table
const errors = fc
  .tuple(codes, text, fc.array(fc.record({ type: text, more: fc.jsonValue() }), { maxLength: 3 }))
  .map(([code, message, details]) => new OctavoError(code, message, { details }));

/** The last frame of a stream, as a server of anybody's sends it. */
export const connectEnds = target({
  name: 'connect-ends',
  inputs: damaged(
    fc
      .tuple(fc.option(errors), fc.dictionary(text, fc.array(text, { maxLength: 3 }), { maxKeys: 3 }))
      .map(([error, metadata]) =>
        Buffer.from(JSON.stringify({ ...(error && { error: writeConnectError(error) }), metadata })),
      ),
    ['"error":', 'null', '[[', '"code":7', '"details":{}', '"value":"=="', '"__proto__":{}'],
  ),
  read: (bytes) => readEnd('a server', bytes),
  refuses: ['internal'],
});

/** An error that was written is read as it was, whatever is in it. */
export const connectErrors = target({
  name: 'connect-errors',
  inputs: errors,
  read: (error) => readConnectError(JSON.parse(JSON.stringify(writeConnectError(error))), 'unknown'),
  holds(read, error) {
    assert.deepEqual([read?.code, read?.message], [error.code, error.message]);
  },
});

@Message('fuzz.Place')
class Place {
  @Field(1, 'string') street = '';
  @Field(2, 'int64') number = 0n;
}

@Message('fuzz.Asked')
class Asked {
  @Field(1, 'string') name = '';
  @Field(2, 'int32') count = 0;
  @Field(3, 'bool') loud = false;
  @Field(4, 'bytes') raw: Uint8Array = new Uint8Array();
  @Field(5, 'google.protobuf.Timestamp') since?: Date;
  @Field(6, Place) place?: Place;
  @Repeated(7, 'double') weights: number[] = [];
}

const routes = restRoutes(
  (['GET', 'PUT'] as const).map((verb): Method => ({
    property: 'ask',
    endpoint: `Fuzz.${verb}`,
    package: 'fuzz',
    kind: 'unary',
    request: Asked,
    reply: Asked,
    options: {},
    routes: [{ verb, path: '/x/:name/:count' }],
  })),
);

const names = fc.constantFrom(
  'name',
  'count',
  'loud',
  'raw',
  'since',
  'place',
  'place.street',
  'place.number',
  'weights',
  'place.',
  '.',
  '__proto__',
  'constructor',
  'place.__proto__',
  'toString',
);
const values = fc.oneof(text, fc.integer().map(String), fc.constantFrom('true', 'NaN', '1e400', '=', '\0'));

/** A request to a REST route. */
export const restRequests = target({
  name: 'rest-requests',
  inputs: fc.record({
    at: fc.nat(1),
    path: fc.record({ name: values, count: values }),
    query: fc.dictionary(names, fc.oneof(values, fc.array(values, { maxLength: 3 })), { maxKeys: 5 }),
    body: damaged(
      fc.jsonValue().map((json) => Buffer.from(JSON.stringify(json))),
      ['"name":', '{"place":', '"count":1', '__proto__', '[', '\\u0000'],
    ),
  }),
  read({ at, path, query, body }) {
    const route = routes[at];
    if (route === undefined) throw new Error('there are two routes');
    return readRest(route, { path, query, body });
  },
  refuses: ['invalid_argument'],
  holds(read, { path }) {
    assert.ok(read instanceof Asked);
    assert.equal(read.name, path.name);
    assert.equal(Object.getPrototypeOf({}), Object.prototype);
  },
});
