import type { Contender, LoadName } from './contender.js';
import { goMicro } from './go-micro.js';
import { inProcesses } from './in-processes.js';
import { missingPeer } from './peers.js';
import { wrks } from './wrk.js';

const EVERY: readonly LoadName[] = ['small', 'single', 'large'];
const SMALL: readonly LoadName[] = ['small'];
const STREAM: readonly LoadName[] = ['stream'];
const ALONE = { alone: true };

/** What is measured in rounds, in this order. */
export const contenders: readonly Contender[] = [
  inProcesses('floor', './floor.js', EVERY),
  inProcesses('http2', './http2.js', EVERY),
  inProcesses('frames', './frames.js', EVERY),
  inProcesses('http', './octavo.js', EVERY),
  inProcesses('tcp', './octavo.js', EVERY),
  inProcesses('grpc', './octavo.js', EVERY),
  inProcesses('memory', './octavo.js', EVERY, ALONE),
  inProcesses('http-wrapped', './octavo.js', SMALL),
  inProcesses('tcp-wrapped', './octavo.js', SMALL),
  inProcesses('memory-async', './octavo.js', SMALL, ALONE),
  inProcesses('web', './octavo.js', EVERY),
  inProcesses('web-json', './octavo.js', EVERY),
  inProcesses('web-http2', './octavo.js', EVERY),
  peer('fastify'),
  peer('nest'),
  peer('moleculer'),
  peer('grpc-js'),
  peer('nice-grpc'),
  peer('connect'),
  goMicro,
  ...wrks,
  inProcesses('http-stream', './octavo.js', STREAM),
  inProcesses('tcp-stream', './octavo.js', STREAM),
  inProcesses('grpc-stream', './octavo.js', STREAM),
  inProcesses('endpoints-1', './flat.js', SMALL, ALONE),
  inProcesses('endpoints-1000', './flat.js', SMALL, ALONE),
  inProcesses('nodes-1', './flat.js', SMALL, ALONE),
  inProcesses('nodes-10000', './flat.js', SMALL, ALONE),
  inProcesses('connections-64', './flat.js', SMALL),
  inProcesses('connections-5000', './flat.js', SMALL),
  inProcesses('floor-connections-64', './flat.js', SMALL),
  inProcesses('floor-connections-5000', './flat.js', SMALL),
];

/** One of those in `bench/package.json`. Its module stays where its dependencies are: it is no TypeScript, as nobody else needs them. */
function peer(name: string): Contender {
  return { ...inProcesses(name, `../../bench/peers/${name}.mjs`, EVERY), missing: missingPeer };
}
