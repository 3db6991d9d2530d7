import type { Registry } from '../../../src/registry/registry.js';
import { parts } from '../../support/parts.js';

/** What a registry's file has: classes, one of which is made. */
type Door = Readonly<Record<string, new (options: object, parts: object) => Registry>>;

/** A process that registers one node, and lives until it is killed: `registrant.js consul ConsulRegistry <options> <ttlMs>`. */
const [file = '', name = '', options = '{}', ttlMs = '0'] = process.argv.slice(2);
const door = (await import(`../../../src/registry/${file}.js`)) as Door;
const Made = door[name];
if (Made === undefined) throw new Error(`registry/${file} has no ${name}`);
// It is what the test that starts this process has written.
const registry = new Made(JSON.parse(options) as object, parts());
await registry.start();
const node = { id: 'doomed-1', address: '127.0.0.1:4000', metadata: {} };
await registry.register(
  { name: 'doomed', version: '1', metadata: {}, endpoints: [], nodes: [node] },
  { ttlMs: Number(ttlMs) },
);
process.send?.({ registered: true });
setInterval(() => {}, 60_000);
