const GRPC = 'application/grpc';
const PROTOBUF = 'application/protobuf';
/** What is no word for itself behind `application/grpc+`. The first one of a value is what a reply of it is read as. */
const FORMATS: readonly (readonly [contentType: string, format: string])[] = [
  [PROTOBUF, 'proto'],
  ['application/proto', 'proto'],
  ['application/octet-stream', 'bytes'],
];

/** How gRPC names what is in its messages: `application/grpc+json` for `application/json`. Protobuf, which it is made for, needs no name. */
export function toGrpcType(contentType: string): string {
  if (contentType === PROTOBUF) return GRPC;
  if (contentType.startsWith(GRPC)) return contentType;
  const [, format] = FORMATS.find(([type]) => type === contentType) ?? [];
  return `${GRPC}+${format ?? contentType.slice(contentType.indexOf('/') + 1)}`;
}

/** The content type of what is in the messages of gRPC's; `undefined` where it is none of gRPC's. */
export function fromGrpcType(grpcType: string | undefined): string | undefined {
  if (grpcType === GRPC) return PROTOBUF;
  const [type = '', format = 'proto'] = (grpcType?.split(';')[0] ?? '').trim().toLowerCase().split('+');
  if (type !== GRPC) return undefined;
  const [contentType] = FORMATS.find(([, each]) => each === format) ?? [];
  return contentType ?? `application/${format}`;
}
