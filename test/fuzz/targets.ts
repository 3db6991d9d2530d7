import type { Target } from './target.js';
import {
  addresses,
  durations,
  envelopes,
  errorWriting,
  metadata,
  timeouts,
  wireErrors,
} from './targets/core.js';
import { httpMessages, httpWriting } from './targets/http.js';
import { mdnsPackets, mdnsPayloads } from './targets/mdns.js';
import { natsEnvelopes, natsFrames } from './targets/nats.js';
import { kubernetesPods, kubernetesSlices, zookeeperAddresses, zookeeperFrames } from './targets/pods.js';
import { consulTags, httpAddresses, registryRecords } from './targets/registry.js';
import { protoJson, protobuf, times } from './targets/schema.js';
import { tcpConnections, tcpFrames, tcpHeaders, tcpPrefaces } from './targets/tcp.js';

/** Every parser that faces the network, and those of the environment. */
export const targets: readonly Target[] = [
  httpMessages,
  httpWriting,
  tcpPrefaces,
  tcpFrames,
  tcpHeaders,
  tcpConnections,
  mdnsPackets,
  mdnsPayloads,
  natsEnvelopes,
  natsFrames,
  registryRecords,
  consulTags,
  httpAddresses,
  kubernetesPods,
  kubernetesSlices,
  zookeeperAddresses,
  zookeeperFrames,
  protobuf,
  protoJson,
  times,
  envelopes,
  wireErrors,
  errorWriting,
  metadata,
  timeouts,
  durations,
  addresses,
];
