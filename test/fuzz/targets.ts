import type { Target } from './target.js';
import { batches, grpcFrames, jsonRpc, jsonRpc2, msgpack, protoRpc } from './targets/codecs.js';
import { connectEnds, connectErrors, restRequests } from './targets/connect.js';
import {
  addresses,
  durations,
  envelopes,
  errorWriting,
  metadata,
  timeouts,
  wireErrors,
} from './targets/core.js';
import { grpcMessages } from './targets/grpc.js';
import { httpMessages, httpWriting } from './targets/http.js';
import { mdnsPackets, mdnsPayloads } from './targets/mdns.js';
import { natsEnvelopes, natsFrames, natsChanges } from './targets/nats.js';
import { redisAddresses, redisEntries } from './targets/redis.js';
import { kubernetesPods, kubernetesSlices, zookeeperAddresses, zookeeperFrames } from './targets/pods.js';
import { consulTags, httpAddresses, registryRecords } from './targets/registry.js';
import { protoJson, protobuf, protobufClosures, times } from './targets/schema.js';
import { versionRanges, versions } from './targets/selector.js';
import { tcpConnections, tcpFrames, tcpHeaders, tcpPrefaces } from './targets/tcp.js';
import { udpDatagrams } from './targets/udp.js';

/** Every parser that faces the network, and those of the environment. */
export const targets: readonly Target[] = [
  httpMessages,
  httpWriting,
  tcpPrefaces,
  tcpFrames,
  tcpHeaders,
  tcpConnections,
  grpcMessages,
  connectEnds,
  connectErrors,
  restRequests,
  udpDatagrams,
  mdnsPackets,
  mdnsPayloads,
  natsEnvelopes,
  natsFrames,
  natsChanges,
  redisEntries,
  redisAddresses,
  registryRecords,
  consulTags,
  httpAddresses,
  kubernetesPods,
  kubernetesSlices,
  zookeeperAddresses,
  zookeeperFrames,
  protobuf,
  protobufClosures,
  protoJson,
  times,
  jsonRpc,
  jsonRpc2,
  batches,
  protoRpc,
  msgpack,
  grpcFrames,
  envelopes,
  wireErrors,
  errorWriting,
  metadata,
  timeouts,
  durations,
  addresses,
  versions,
  versionRanges,
];
