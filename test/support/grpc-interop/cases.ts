import assert from 'node:assert/strict';
import type { CallOptions, Client } from '../../../src/client/client.js';
import type { Code } from '../../../src/core/error.js';
import { OctavoError } from '../../../src/core/error.js';
import type { Metadata } from '../../../src/core/metadata.js';
import type { Init } from '../../../src/schema/message-type.js';
import {
  Empty,
  payloadOf,
  TestServiceClient,
  type StreamingInputCallRequest,
  type StreamingOutputCallRequest,
} from './contract.js';

const REQUEST_SIZES = [27_182, 8, 1_828, 45_904];
const REPLY_SIZES = [31_415, 9, 2_653, 58_979];
const LARGE = { request: 271_828, reply: 314_159 };
const INITIAL = 'x-grpc-test-echo-initial';
const TRAILING = 'x-grpc-test-echo-trailing-bin';

/** A client, and where the server is that it has to do with. */
export interface Interop {
  readonly client: Client;
  readonly address: string;
}

/** gRPC's interop cases with Octavo as the client. Source: grpc `doc/interop-test-descriptions.md`. */
export const interopCases = {
  async empty_unary({ stub, options }) {
    assert.deepEqual(await stub.emptyCall({}, options), new Empty());
  },

  async large_unary({ stub, options }) {
    const request = { responseSize: LARGE.reply, payload: payloadOf(LARGE.request) };
    const { payload } = await stub.unaryCall(request, options);
    assert.deepEqual(payload?.body, new Uint8Array(LARGE.reply));
  },

  async client_streaming({ stub, options }) {
    const requests = REQUEST_SIZES.map((size) => ({ payload: payloadOf(size) }));
    const { aggregatedPayloadSize } = await stub.streamingInputCall(requests, options);
    assert.equal(aggregatedPayloadSize, 74_922);
  },

  async server_streaming({ stub, options }) {
    const sizes: unknown[] = [];
    const request = { responseParameters: REPLY_SIZES.map((size) => ({ size })) };
    for await (const { payload } of stub.streamingOutputCall(request, options))
      sizes.push(payload?.body.length);
    assert.deepEqual(sizes, REPLY_SIZES);
  },

  async ping_pong({ stub, options }) {
    let answered = (): void => {};
    async function* pings(): AsyncIterable<Init<StreamingOutputCallRequest>> {
      for (const [at, size] of REPLY_SIZES.entries()) {
        const answer = new Promise<void>((resolve) => (answered = resolve));
        yield { responseParameters: [{ size }], payload: payloadOf(REQUEST_SIZES[at] ?? 0) };
        await answer;
      }
    }
    const sizes: unknown[] = [];
    for await (const { payload } of stub.fullDuplexCall(pings(), options)) {
      sizes.push(payload?.body.length);
      answered();
    }
    assert.deepEqual(sizes, REPLY_SIZES);
  },

  async empty_stream({ stub, options }) {
    for await (const reply of stub.fullDuplexCall([], options)) assert.fail(`${JSON.stringify(reply)} came`);
  },

  async custom_metadata({ stub, options }) {
    const bytes = Uint8Array.of(0xab, 0xab, 0xab);
    const metadata = { [INITIAL]: 'test_initial_metadata_value', [TRAILING]: bytes };
    const request = { responseSize: LARGE.reply, payload: payloadOf(LARGE.request) };
    const check = async (call: (options: CallOptions) => Promise<unknown>): Promise<void> => {
      const told: { header?: Metadata; trailer?: Metadata } = {};
      await call({
        ...options,
        metadata,
        onHeader: (header) => (told.header = header),
        onTrailer: (trailer) => (told.trailer = trailer),
      });
      assert.deepEqual(told.header?.getAll(INITIAL), ['test_initial_metadata_value']);
      assert.deepEqual(told.trailer?.getBytes(TRAILING), [bytes]);
    };
    await check((given) => stub.unaryCall(request, given));
    await check((given) =>
      all(
        stub.fullDuplexCall(
          [{ responseParameters: [{ size: LARGE.reply }], payload: payloadOf(LARGE.request) }],
          given,
        ),
      ),
    );
  },

  async status_code_and_message({ stub, options }) {
    const responseStatus = { code: 2, message: 'test status message' };
    await fails('unknown', responseStatus.message, () => stub.unaryCall({ responseStatus }, options));
    await fails('unknown', responseStatus.message, () =>
      all(stub.fullDuplexCall([{ responseStatus }], options)),
    );
  },

  async special_status_message({ stub, options }) {
    const message = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP \u{1f608}\t\n';
    await fails('unknown', message, () => stub.unaryCall({ responseStatus: { code: 2, message } }, options));
  },

  async unimplemented_method({ client, options }) {
    const request = { service: 'grpc.testing', endpoint: 'TestService.UnimplementedCall', body: EMPTY };
    await fails('unimplemented', undefined, () => client.call(request, options));
  },

  async unimplemented_service({ client, options }) {
    const request = {
      service: 'grpc.testing',
      endpoint: 'UnimplementedService.UnimplementedCall',
      body: EMPTY,
    };
    await fails('unimplemented', undefined, () => client.call(request, options));
  },

  async cancel_after_begin({ stub, options }) {
    const controller = new AbortController();
    const requests = {
      [Symbol.asyncIterator]: () => ({
        next(): Promise<IteratorResult<Init<StreamingInputCallRequest>>> {
          // The call has begun, as its requests are asked for, and none is sent.
          controller.abort();
          return new Promise(() => {});
        },
      }),
    };
    await fails('cancelled', undefined, () =>
      stub.streamingInputCall(requests, { ...options, signal: controller.signal }),
    );
  },

  async cancel_after_first_response({ stub, options }) {
    const controller = new AbortController();
    async function* pings(): AsyncIterable<Init<StreamingOutputCallRequest>> {
      yield { responseParameters: [{ size: 31_415 }], payload: payloadOf(27_182) };
      await new Promise(() => {});
    }
    await fails('cancelled', undefined, async () => {
      const stream = stub.fullDuplexCall(pings(), { ...options, signal: controller.signal });
      for await (const { payload } of stream) {
        assert.equal(payload?.body.length, 31_415);
        controller.abort();
      }
    });
  },

  async timeout_on_sleeping_server({ stub, options }) {
    async function* pings(): AsyncIterable<Init<StreamingOutputCallRequest>> {
      yield { payload: payloadOf(27_182) };
      await new Promise(() => {});
    }
    await fails('deadline_exceeded', undefined, () =>
      all(stub.fullDuplexCall(pings(), { ...options, timeoutMs: 1 })),
    );
  },
} satisfies Readonly<Record<string, (interop: Run) => Promise<void>>>;

export type InteropCase = keyof typeof interopCases;

/** Has Octavo be the client of one case. */
export function runCase(name: InteropCase, { client, address }: Interop): Promise<void> {
  return interopCases[name]({ client, stub: new TestServiceClient(client), options: { address } });
}

interface Run {
  readonly client: Client;
  readonly stub: TestServiceClient;
  readonly options: CallOptions;
}

const EMPTY = new Uint8Array();

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

async function fails(code: Code, message: string | undefined, run: () => Promise<unknown>): Promise<void> {
  await assert.rejects(run, (reason) => {
    assert.ok(reason instanceof OctavoError, String(reason));
    assert.deepEqual([reason.code, reason.message], [code, message ?? reason.message]);
    return true;
  });
}
