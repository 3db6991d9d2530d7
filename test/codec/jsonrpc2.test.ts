import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Field, Message } from '../../decorators/index.js';
import type { CallHeader } from '../../src/codec/codec.js';
import { JSONRPC_ERROR, JsonRpc2Codec } from '../../src/codec/jsonrpc2.js';
import { OctavoError } from '../../src/core/error.js';
import { EMPTY } from '../../src/core/message.js';

const codec = new JsonRpc2Codec();

/** The methods of the specification's examples. */
const METHODS: Readonly<Record<string, (params: unknown) => unknown>> = {
  subtract(params) {
    // By name or in order, as the examples give them.
    const [minuend, subtrahend] = Array.isArray(params)
      ? (params as number[])
      : [(params as { minuend: number }).minuend, (params as { subtrahend: number }).subtrahend];
    return Number(minuend) - Number(subtrahend);
  },
  sum: (params) => (params as number[]).reduce((total, each) => total + each),
  get_data: () => ['hello', 5],
  update: () => null,
  notify_hello: () => null,
  notify_sum: () => null,
};

/** What a server that stands on the codec answers. */
function answer(body: Uint8Array): Uint8Array {
  const failed = (id: CallHeader['id'], reason: unknown): Uint8Array => {
    const error = OctavoError.from(reason);
    return codec.write({ kind: 'error', id, service: '', endpoint: '', error }, undefined, undefined);
  };
  const one = (call: Uint8Array): Uint8Array => {
    let header: CallHeader | undefined;
    try {
      header = codec.readHeader(call, 'request');
    } catch (reason) {
      return failed(null, reason);
    }
    assert.ok(header !== undefined);
    try {
      const method = METHODS[header.endpoint];
      if (method === undefined) throw new OctavoError('unimplemented', 'Method not found');
      const result = method(codec.readBody(call, undefined, 'request'));
      return header.kind === 'event'
        ? EMPTY
        : codec.write({ ...header, kind: 'response' }, result, undefined);
    } catch (reason) {
      return header.kind === 'event' ? EMPTY : failed(header.id, reason);
    }
  };
  try {
    const calls = codec.split(body);
    return calls === undefined ? one(body) : codec.join(calls.map(one));
  } catch (reason) {
    return failed(null, reason);
  }
}

/** An answer with its errors cut to what the specification's examples have: the code. */
function shown(body: Uint8Array): unknown {
  if (body.length === 0) return undefined;
  assert.equal(body.at(-1), 10, 'there is a line break at the end');
  const cut = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(cut);
    const { error, ...rest } = value as { error?: { code: number; message: string } };
    assert.ok(error === undefined || error.message.length > 0);
    return error === undefined ? rest : { ...rest, error: { code: error.code } };
  };
  return cut(JSON.parse(Buffer.from(body).toString()));
}

function expected(json: string | undefined): unknown {
  if (json === undefined) return undefined;
  const without = json.replaceAll(/("code": -?\d+), "message": "[^"]*"/g, '$1');
  return JSON.parse(without);
}

/** Every example of section 7 of the specification, to the letter: what is sent, and what comes back. */
const EXAMPLES: readonly (readonly [string, string, string | undefined])[] = [
  [
    'positional parameters',
    '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
    '{"jsonrpc": "2.0", "result": 19, "id": 1}',
  ],
  [
    'positional parameters, the other way round',
    '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}',
    '{"jsonrpc": "2.0", "result": -19, "id": 2}',
  ],
  [
    'named parameters',
    '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
    '{"jsonrpc": "2.0", "result": 19, "id": 3}',
  ],
  [
    'named parameters, the other way round',
    '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
    '{"jsonrpc": "2.0", "result": 19, "id": 4}',
  ],
  ['a notification', '{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', undefined],
  ['a notification of nothing that is there', '{"jsonrpc": "2.0", "method": "foobar"}', undefined],
  [
    'a method that is not there',
    '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
    '{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}',
  ],
  [
    'invalid JSON',
    '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
    '{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}',
  ],
  [
    'an invalid request object',
    '{"jsonrpc": "2.0", "method": 1, "params": "bar"}',
    '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}',
  ],
  [
    'a batch of invalid JSON',
    '[\n  {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},\n  {"jsonrpc": "2.0", "method"\n]',
    '{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}',
  ],
  [
    'an empty array',
    '[]',
    '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}',
  ],
  [
    'an invalid batch that is not empty',
    '[1]',
    '[{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}]',
  ],
  [
    'an invalid batch',
    '[1,2,3]',
    `[
  {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
  {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
  {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}
]`,
  ],
  [
    'a batch',
    `[
  {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
  {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
  {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
  {"foo": "boo"},
  {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
  {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
]`,
    `[
  {"jsonrpc": "2.0", "result": 7, "id": "1"},
  {"jsonrpc": "2.0", "result": 19, "id": "2"},
  {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
  {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},
  {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}
]`,
  ],
  [
    'a batch of notifications alone',
    `[
  {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
  {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
]`,
    undefined,
  ],
];

describe('the examples of the JSON-RPC 2.0 specification', () => {
  for (const [what, request, response] of EXAMPLES)
    it(`${what}`, () => assert.deepEqual(shown(answer(Buffer.from(request))), expected(response)));

  it('are written as they are read', () => {
    const header = { kind: 'request', id: 3, service: '', endpoint: 'subtract' } as const;
    assert.equal(
      Buffer.from(codec.write(header, { minuend: 42, subtrahend: 23 }, undefined)).toString(),
      '{"jsonrpc":"2.0","method":"subtract","params":{"minuend":42,"subtrahend":23},"id":3}\n',
    );
    const response = Buffer.from('{"jsonrpc": "2.0", "result": 19, "id": 3}');
    assert.equal(codec.readHeader(response, 'response')?.id, 3);
    assert.equal(codec.readBody(response, undefined, 'response'), 19);
  });
});

@Message('jsonrpc2.Subtract')
class Subtract {
  @Field(2, 'int32') subtrahend = 0;
  @Field(1, 'int32') minuend = 0;
}

const head = (kind: CallHeader['kind'], more: Partial<CallHeader> = {}): CallHeader => ({
  kind,
  id: 1,
  service: '',
  endpoint: 'Calculator.Subtract',
  ...more,
});

function read(params: string): unknown {
  const body = `{"jsonrpc":"2.0","method":"Calculator.Subtract","params":${params},"id":1}`;
  return codec.readBody(Buffer.from(body), Subtract, 'request');
}

function invalid(run: () => unknown, code: number): void {
  assert.throws(run, (reason) => {
    assert.ok(reason instanceof OctavoError && reason.code === 'invalid_argument', String(reason));
    assert.equal(reason.details.find(({ type }) => type === JSONRPC_ERROR)?.['code'], code);
    return true;
  });
}

describe('JsonRpc2Codec', () => {
  it('takes parameters in the order of the ids of the fields, and may take fewer', () => {
    const full = Object.assign(new Subtract(), { minuend: 42, subtrahend: 23 });
    assert.deepEqual(read('[42,23]'), full);
    assert.deepEqual(read('{"subtrahend":23,"minuend":42}'), full);
    assert.deepEqual(read('[42]'), Object.assign(new Subtract(), { minuend: 42 }));
    assert.deepEqual(read('[]'), new Subtract());
    invalid(() => read('[1,2,3]'), -32_602);
    assert.throws(() => read('["x"]'), /minuend/);
  });

  it('keeps ids as they are, and refuses those that lose digits and those that are none', () => {
    const id = (json: string): unknown =>
      codec.readHeader(Buffer.from(`{"jsonrpc":"2.0","method":"a","id":${json}}`), 'request')?.id;
    assert.deepEqual([id('"7"'), id('7'), id('-1.5'), id('null'), id('""')], ['7', 7, -1.5, null, '']);
    for (const json of ['true', '[]', '{}', '9007199254740993', '1e400']) invalid(() => id(json), -32_600);
  });

  it('has a code for each of ours, and finds ours again', () => {
    for (const [code, number] of [
      ['unimplemented', -32_601],
      ['invalid_argument', -32_602],
      ['internal', -32_603],
      ['not_found', -32_005],
      ['unavailable', -32_014],
      ['unknown', -32_002],
    ] as const) {
      const error = new OctavoError(code, 'why', { details: [{ type: 'x', n: 1n }], executed: false });
      const bytes = codec.write(head('error', { error }), undefined, undefined);
      const { error: told } = JSON.parse(Buffer.from(bytes).toString()) as { error: { code: number } };
      assert.equal(told.code, number);
      const again = codec.readHeader(bytes, 'response')?.error;
      assert.deepEqual(
        [again?.code, again?.message, again?.executed, again?.details],
        [code, 'why', false, [{ type: 'x', n: '1' }]],
      );
    }
  });

  it('keeps the code and the data of others, and writes them where an error of ours has them', () => {
    const body = '{"jsonrpc":"2.0","error":{"code":-32099,"message":"m","data":{"why":[1]}},"id":1}';
    const error = codec.readHeader(Buffer.from(body), 'response')?.error;
    assert.deepEqual(error?.details, [{ type: JSONRPC_ERROR, code: -32_099, data: { why: [1] } }]);
    assert.ok(error !== undefined);
    const again = codec.write(head('error', { error }), undefined, undefined);
    assert.deepEqual(JSON.parse(Buffer.from(again).toString()), JSON.parse(body));
  });

  it('reads errors that are none', () => {
    for (const error of ['null', '1', '{}', '{"code":"x","message":1}', '[]']) {
      const body = Buffer.from(`{"jsonrpc":"2.0","error":${error},"id":null}`);
      const told = codec.readHeader(body, 'response');
      assert.deepEqual(
        [told?.kind, told?.error?.code, told?.error?.message],
        ['error', 'unknown', 'unspecified error'],
      );
    }
  });

  it('bounds a batch', () => {
    const small = new JsonRpc2Codec({ maxBatch: 2 });
    assert.equal(small.split(Buffer.from(' [1,2]'))?.length, 2);
    invalid(() => small.split(Buffer.from('[1,2,3]')), -32_600);
  });

  it('takes a list for a batch only, and other versions not at all', () => {
    assert.equal(codec.split(Buffer.from('{"jsonrpc":"2.0"}')), undefined);
    for (const body of ['{"jsonrpc":"1.0","method":"a","id":1}', '{"method":"a","id":1}', '[1]', 'null'])
      invalid(() => codec.readHeader(Buffer.from(body), 'request'), -32_600);
    for (const params of ['"bar"', 'null', '1'])
      invalid(
        () => codec.readHeader(Buffer.from(`{"jsonrpc":"2.0","method":"a","params":${params}}`), 'request'),
        -32_600,
      );
  });

  it('has no parameters that are neither object nor list', () => {
    assert.throws(() => codec.write(head('request'), 1, undefined), /object or a list/);
  });
});
