// The front door: names only. Providers have doors of their own, such as `octavo/registry/mdns`.
export * from '../decorators/index.js';
export * from './broker/broker.js';
export * from './client/client.js';
export type { ClientClass, ClientMethod, ClientShape, Items, PublisherClass } from './client/proxy.js';
export * from './codec/codec.js';
export { Codecs } from './codec/codecs.js';
export * from './core/clock.js';
export { ConsoleLogger, type ConsoleLoggerOptions } from './core/console-logger.js';
export {
  Context,
  EventContext,
  type NackOptions,
  type Peer,
  type CertificatePrincipal,
  type Principal,
  type ReplyMetadata,
} from './core/context.js';
export * from './core/error.js';
export { Identity } from './core/identity.js';
export { InHand } from './core/in-hand.js';
export { Inbox } from './core/inbox.js';
export * from './core/lifecycle.js';
export * from './core/logger.js';
export { EMPTY } from './core/message.js';
export { Metadata, type MetadataInit, type MetadataValue } from './core/metadata.js';
export * from './core/provider.js';
export type { DialTls, PeerCertificate, Pem, Tls, TlsOptions } from './core/tls.js';
export { SystemClock } from './core/system-clock.js';
export { unimplemented } from './core/unimplemented.js';
export * from './registry/registry.js';
export type { Access } from './schema/access.js';
export { Any, type Packable } from './schema/any.js';
export type { AnyOf } from './schema/any-of.js';
export { Duration } from './schema/duration.js';
export { Empty } from './schema/empty.js';
export { fileDescriptorSet } from './schema/file-descriptor.js';
export type { Init, MessageType, Ref } from './schema/message-type.js';
export type { HttpRoute, HttpVerb, Method, MethodOptions, StreamKind } from './schema/method.js';
export { protoEnum, type EnumValue } from './schema/proto-enum.js';
export { protoFiles, protoText, type ProtoMethod, type ProtoService } from './schema/proto-text.js';
export {
  schemaOf,
  type JsonObject,
  type JsonValue,
  type JsonWriteOptions,
  type Schema,
} from './schema/schema.js';
export type { ServiceClass, ServiceFacts } from './schema/service-declaration.js';
export { topic, type Topic } from './schema/topic.js';
export {
  byEndpoint,
  byLabel,
  byVersion,
  byVersionRange,
  preferZone,
  type ZoneOptions,
} from './selector/filter.js';
export { rendezvous } from './selector/rendezvous.js';
export * from './selector/selector.js';
export { leastInFlight, random, roundRobin, weighted, type WeightedOptions } from './selector/strategy.js';
export * from './server/server.js';
export { createService, run, type ServiceOptions } from './service/run.js';
export type { AppOptions, Env, ServiceHooks, StackOptions } from './service/service.js';
export * from './transport/transport.js';
export * from './wrapper/wrapper.js';
