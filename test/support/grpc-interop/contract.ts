import { ClientOf, Field, Handler, Message, Repeated, Service } from '../../../decorators/index.js';
import { protoEnum } from '../../../src/schema/proto-enum.js';
import { unimplemented } from '../../../src/core/unimplemented.js';

// gRPC's own interop service. Source: grpc-proto `grpc/testing/empty.proto`, `messages.proto` and `test.proto`.

export const PayloadType = protoEnum('grpc.testing.PayloadType', { COMPRESSABLE: 0 });

@Message('grpc.testing.Empty')
export class Empty {}

@Message('grpc.testing.BoolValue')
export class BoolValue {
  @Field(1, 'bool') value = false;
}

@Message('grpc.testing.Payload')
export class Payload {
  @Field(1, PayloadType) type = 0;
  @Field(2, 'bytes') body = new Uint8Array();
}

@Message('grpc.testing.EchoStatus')
export class EchoStatus {
  @Field(1, 'int32') code = 0;
  @Field(2, 'string') message = '';
}

@Message('grpc.testing.SimpleRequest')
export class SimpleRequest {
  @Field(1, PayloadType) responseType = 0;
  @Field(2, 'int32') responseSize = 0;
  @Field(3, () => Payload) payload?: Payload;
  @Field(4, 'bool') fillUsername = false;
  @Field(5, 'bool') fillOauthScope = false;
  @Field(6, () => BoolValue) responseCompressed?: BoolValue;
  @Field(7, () => EchoStatus) responseStatus?: EchoStatus;
  @Field(8, () => BoolValue) expectCompressed?: BoolValue;
}

@Message('grpc.testing.SimpleResponse')
export class SimpleResponse {
  @Field(1, () => Payload) payload?: Payload;
  @Field(2, 'string') username = '';
  @Field(3, 'string') oauthScope = '';
}

@Message('grpc.testing.StreamingInputCallRequest')
export class StreamingInputCallRequest {
  @Field(1, () => Payload) payload?: Payload;
  @Field(2, () => BoolValue) expectCompressed?: BoolValue;
}

@Message('grpc.testing.StreamingInputCallResponse')
export class StreamingInputCallResponse {
  @Field(1, 'int32') aggregatedPayloadSize = 0;
}

@Message('grpc.testing.ResponseParameters')
export class ResponseParameters {
  @Field(1, 'int32') size = 0;
  @Field(2, 'int32') intervalUs = 0;
  @Field(3, () => BoolValue) compressed?: BoolValue;
}

@Message('grpc.testing.StreamingOutputCallRequest')
export class StreamingOutputCallRequest {
  @Field(1, PayloadType) responseType = 0;
  @Repeated(2, () => ResponseParameters) responseParameters: ResponseParameters[] = [];
  @Field(3, () => Payload) payload?: Payload;
  @Field(7, () => EchoStatus) responseStatus?: EchoStatus;
}

@Message('grpc.testing.StreamingOutputCallResponse')
export class StreamingOutputCallResponse {
  @Field(1, () => Payload) payload?: Payload;
}

/** What the interop cases call. `UnimplementedCall` is left out, as no server may know it. */
@Service({ name: 'interop', package: 'grpc.testing' })
export class TestService {
  @Handler(Empty, Empty)
  async emptyCall(_request: Empty): Promise<Empty> {
    unimplemented();
  }

  @Handler(SimpleRequest, SimpleResponse)
  async unaryCall(_request: SimpleRequest): Promise<SimpleResponse> {
    unimplemented();
  }

  @Handler(StreamingOutputCallRequest, StreamingOutputCallResponse, { stream: 'server' })
  streamingOutputCall(_request: StreamingOutputCallRequest): AsyncIterable<StreamingOutputCallResponse> {
    unimplemented();
  }

  @Handler(StreamingInputCallRequest, StreamingInputCallResponse, { stream: 'client' })
  async streamingInputCall(
    _requests: AsyncIterable<StreamingInputCallRequest>,
  ): Promise<StreamingInputCallResponse> {
    unimplemented();
  }

  @Handler(StreamingOutputCallRequest, StreamingOutputCallResponse, { stream: 'bidi' })
  fullDuplexCall(
    _requests: AsyncIterable<StreamingOutputCallRequest>,
  ): AsyncIterable<StreamingOutputCallResponse> {
    unimplemented();
  }

  @Handler(StreamingOutputCallRequest, StreamingOutputCallResponse, { stream: 'bidi' })
  halfDuplexCall(
    _requests: AsyncIterable<StreamingOutputCallRequest>,
  ): AsyncIterable<StreamingOutputCallResponse> {
    unimplemented();
  }
}

export class TestServiceClient extends ClientOf(TestService) {}

/** As many zeros as that, as every interop server and client sends. */
export function payloadOf(size: number): Payload {
  return { type: PayloadType.COMPRESSABLE, body: new Uint8Array(size) };
}
