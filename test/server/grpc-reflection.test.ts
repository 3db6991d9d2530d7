import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client, credentials, type ClientDuplexStream } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { Reader } from 'protobufjs/minimal.js';
import type { GrpcServerOptions } from '../../src/server/grpc.js';
import { grpcSubject } from '../support/grpc-subject.js';

// The protocol as gRPC publishes it, and not as it is declared here.
const { root } = protobuf.parse(
  `syntax = "proto3";
  message Request {
    string host = 1;
    oneof message_request {
      string file_by_filename = 3; string file_containing_symbol = 4; Extension file_containing_extension = 5;
      string all_extension_numbers_of_type = 6; string list_services = 7;
    }
  }
  message Extension { string containing_type = 1; int32 extension_number = 2; }
  message Response {
    string valid_host = 1; Request original_request = 2;
    oneof message_response {
      Files file_descriptor_response = 4; Numbers all_extension_numbers_response = 5;
      Services list_services_response = 6; Failure error_response = 7;
    }
  }
  message Files { repeated bytes file_descriptor_proto = 1; }
  message Numbers { string base_type_name = 1; repeated int32 extension_number = 2; }
  message Services { repeated Name service = 1; }
  message Name { string name = 1; }
  message Failure { int32 error_code = 1; string error_message = 2; }`,
  { keepCase: true },
);
const Request = root.lookupType('Request');
const Response = root.lookupType('Response');

interface Answer {
  readonly original_request?: Readonly<Record<string, unknown>>;
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Uint8Array[] };
  readonly all_extension_numbers_response?: { readonly base_type_name: string };
  readonly list_services_response?: { readonly service: readonly { readonly name: string }[] };
  readonly error_response?: { readonly error_code: number; readonly error_message: string };
}

type Ask = (question: Readonly<Record<string, unknown>>) => Promise<Answer>;

/** Runs with one reflection stream of grpc-js's client open. */
async function asking(
  run: (ask: Ask, stream: ClientDuplexStream<object, Answer>, stop: () => Promise<void>) => Promise<void>,
  version = 'v1',
  options: GrpcServerOptions = {},
): Promise<void> {
  const subject = grpcSubject(options);
  await subject.start?.();
  const client = new Client(subject.address, credentials.createInsecure());
  const stream = client.makeBidiStreamRequest<object, Answer>(
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    (question) => Buffer.from(Request.encode(Request.create(question)).finish()),
    (bytes) => Response.toObject(Response.decode(bytes)) as Answer,
  );
  const answers = stream[Symbol.asyncIterator]();
  stream.on('error', () => {});
  try {
    await run(
      async (question) => {
        stream.write(question);
        const { value } = (await answers.next()) as { value: Answer };
        return value;
      },
      stream,
      async () => subject.stop?.(),
    );
  } finally {
    stream.end();
    client.close();
    await subject.stop?.();
  }
}

/** The names of the files in an answer. */
function files({ file_descriptor_response: response }: Answer): string[] {
  return (response?.file_descriptor_proto ?? []).map((bytes) => {
    const reader = Reader.create(bytes);
    reader.uint32();
    return reader.string();
  });
}

const SERVICES = [
  'conformance.Probe',
  'grpc.health.v1.Health',
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
];

describe('reflection', () => {
  for (const version of ['v1', 'v1alpha'])
    it(`${version} lists the services, health and itself among them, but nothing internal`, () =>
      asking(async (ask) => {
        const { list_services_response: response, original_request } = await ask({ list_services: '' });
        assert.deepEqual(
          response?.service?.map(({ name }) => name),
          SERVICES,
        );
        assert.deepEqual(original_request, { list_services: '' });
      }, version));

  it('gives the file of a symbol, of whatever kind, and with it those that it imports and the caller lacks', () =>
    asking(async (ask) => {
      const first = files(await ask({ file_containing_symbol: 'conformance.Probe' }));
      assert.equal(first[0], 'conformance.proto');
      for (const symbol of [
        'conformance.Probe.Echo',
        'conformance.Ask',
        '.conformance.Ask',
        'conformance.Ask.text',
      ])
        assert.deepEqual(files(await ask({ file_containing_symbol: symbol })), ['conformance.proto'], symbol);
      assert.deepEqual(files(await ask({ file_containing_symbol: 'grpc.health.v1.SERVING' })), [
        'grpc/health/v1.proto',
      ]);
    }));

  it('gives a file by its name', () =>
    asking(async (ask) => {
      assert.equal(files(await ask({ file_by_filename: 'conformance.proto' }))[0], 'conformance.proto');
    }));

  it('knows the numbers of extensions, of which proto3 has none', () =>
    asking(async (ask) => {
      const { all_extension_numbers_response: numbers } = await ask({
        all_extension_numbers_of_type: 'conformance.Ask',
      });
      assert.deepEqual(numbers, { base_type_name: 'conformance.Ask' });
    }));

  it('says what it does not find, and goes on', () =>
    asking(async (ask) => {
      const extension = { containing_type: 'conformance.Ask', extension_number: 7 };
      for (const [question, like] of [
        [{ file_containing_symbol: 'nobody.Nothing' }, /no symbol nobody\.Nothing/],
        [{ file_by_filename: '../../etc/passwd' }, /no file/],
        [{ file_containing_extension: extension }, /no extension 7 of conformance\.Ask/],
        [{ all_extension_numbers_of_type: 'nobody.Nothing' }, /no message nobody\.Nothing/],
      ] as const) {
        const { error_response: error } = await ask(question);
        assert.equal(error?.error_code, 5);
        assert.match(error?.error_message ?? '', like);
      }
      assert.equal((await ask({})).error_response?.error_code, 3);
      assert.equal((await ask({ list_services: '' })).list_services_response?.service.length, 4);
    }));

  it('does not hold up a stop', () =>
    asking(async (ask, stream, stop) => {
      await ask({ list_services: '' });
      const ended = new Promise<number>((resolve) => stream.on('status', ({ code }) => resolve(code)));
      const begun = performance.now();
      await stop();
      assert.equal(await ended, 14);
      assert.ok(performance.now() - begun < 5_000);
    }));

  it('is left out where the option says so', () =>
    asking(
      async (_, stream) => {
        const ended = new Promise<number>((resolve) => stream.on('status', ({ code }) => resolve(code)));
        stream.write({ list_services: '' });
        stream.resume();
        assert.equal(await ended, 12);
      },
      'v1',
      { reflection: false },
    ));
});
