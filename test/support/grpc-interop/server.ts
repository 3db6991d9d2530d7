import { Service, type HandlersOf } from '../../../decorators/service.js';
import type { Context } from '../../../src/core/context.js';
import { OctavoError } from '../../../src/core/error.js';
import { codeOf } from '../../../src/core/grpc-status.js';
import {
  payloadOf,
  TestService,
  type EchoStatus,
  type Empty,
  type ResponseParameters,
  type SimpleRequest,
  type SimpleResponse,
  type StreamingInputCallRequest,
  type StreamingInputCallResponse,
  type StreamingOutputCallRequest,
  type StreamingOutputCallResponse,
} from './contract.js';

const INITIAL = 'x-grpc-test-echo-initial';
const TRAILING = 'x-grpc-test-echo-trailing-bin';

/** gRPC's interop server. Source: grpc `doc/interop-test-descriptions.md`, Server. */
@Service(TestService)
export class TestServer implements HandlersOf<TestService> {
  async emptyCall(_request: Empty): Promise<Empty> {
    return {};
  }

  async unaryCall(request: SimpleRequest, context: Context): Promise<SimpleResponse> {
    echoMetadata(context);
    throwStatus(request.responseStatus);
    return { payload: payloadOf(request.responseSize), username: '', oauthScope: '' };
  }

  async *streamingOutputCall(
    { responseParameters }: StreamingOutputCallRequest,
    context: Context,
  ): AsyncIterable<StreamingOutputCallResponse> {
    yield* payloads(responseParameters, context);
  }

  async streamingInputCall(
    requests: AsyncIterable<StreamingInputCallRequest>,
  ): Promise<StreamingInputCallResponse> {
    let aggregatedPayloadSize = 0;
    for await (const { payload } of requests) aggregatedPayloadSize += payload?.body.length ?? 0;
    return { aggregatedPayloadSize };
  }

  async *fullDuplexCall(
    requests: AsyncIterable<StreamingOutputCallRequest>,
    context: Context,
  ): AsyncIterable<StreamingOutputCallResponse> {
    echoMetadata(context);
    for await (const { responseStatus, responseParameters } of requests) {
      throwStatus(responseStatus);
      yield* payloads(responseParameters, context);
    }
  }

  async *halfDuplexCall(
    requests: AsyncIterable<StreamingOutputCallRequest>,
    context: Context,
  ): AsyncIterable<StreamingOutputCallResponse> {
    const all: ResponseParameters[] = [];
    for await (const { responseParameters } of requests) all.push(...responseParameters);
    yield* payloads(all, context);
  }
}

async function* payloads(
  parameters: readonly ResponseParameters[],
  { clock, signal }: Context,
): AsyncIterable<StreamingOutputCallResponse> {
  for (const { size, intervalUs } of parameters) {
    if (intervalUs > 0) await clock.sleep(intervalUs / 1_000, signal);
    yield { payload: payloadOf(size) };
  }
}

function echoMetadata({ metadata, reply }: Context): void {
  const [initial] = metadata.getAll(INITIAL);
  const [trailing] = metadata.getBytes(TRAILING);
  if (initial !== undefined) reply.header.set(INITIAL, initial);
  if (trailing !== undefined) reply.trailer.set(TRAILING, trailing);
}

function throwStatus(status: EchoStatus | undefined): void {
  if (status !== undefined && status.code !== 0) throw new OctavoError(codeOf(status.code), status.message);
}
