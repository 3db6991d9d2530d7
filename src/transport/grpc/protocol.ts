/** The one method of go-micro's grpc transport: a stream of messages either way. */
export const PATH = '/go.micro.transport.grpc.Transport/Stream';
/** What a gRPC request or response is; a name of a codec may follow. */
export const TYPE = 'application/grpc';
/** Says in the headers of a stream, either way, that an Octavo peer writes: `1`. */
export const OCTAVO = 'octavo';
