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
import { protoJson, protobuf, protobufClosures, times } from './targets/schema.js';

/** Every parser that faces the network, and those of the environment. */
export const targets: readonly Target[] = [
  httpMessages,
  httpWriting,
  mdnsPackets,
  mdnsPayloads,
  protobuf,
  protobufClosures,
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
