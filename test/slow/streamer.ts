// One end of a stream that carries more than its reader takes, for a test that watches the memory of both: `streamer.js serve|read|write [ADDRESS]`.
import { setTimeout as wait } from 'node:timers/promises';
import { ClientOf, createService, Field, Handler, Message, Service } from '../../src/index.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';

const CHUNK = 64 * 1024;
const TOTAL = 1024 * 1024 * 1024;
const BYTES_PER_SECOND = 1024 * 1024;

@Message('streamer.Chunk')
class Chunk {
  @Field(1, 'bytes') bytes: Uint8Array = new Uint8Array();
}

async function* offered(): AsyncIterable<Chunk> {
  for (let sent = 0; sent < TOTAL; sent += CHUNK) yield { bytes: new Uint8Array(CHUNK) };
}

/** Reads at the slow reader's pace. */
async function take(chunks: AsyncIterable<Chunk>): Promise<void> {
  let read = 0;
  for await (const { bytes } of chunks) {
    read += bytes.length;
    process.send?.({ read });
    await wait((bytes.length / BYTES_PER_SECOND) * 1_000);
  }
}

@Service({ name: 'streamer' })
class Streamer {
  @Handler(Chunk, Chunk, { stream: 'server' })
  down(): AsyncIterable<Chunk> {
    return offered();
  }

  @Handler(Chunk, Chunk, { stream: 'client' })
  async up(chunks: AsyncIterable<Chunk>): Promise<Chunk> {
    await take(chunks);
    return new Chunk();
  }

  @Handler(Chunk, Chunk)
  async warm(chunk: Chunk): Promise<Chunk> {
    return chunk;
  }
}

class StreamerClient extends ClientOf(Streamer) {}

setInterval(() => process.send?.({ rss: process.memoryUsage.rss() }), 100);

const [role, address = ''] = process.argv.slice(2);
const service = createService({
  ...(role === 'serve' ? { services: [Streamer] } : { name: 'reader' }),
  registry: memoryRegistry(),
  broker: memoryBroker(),
  env: {
    MICRO_TRANSPORT: process.env['MICRO_TRANSPORT'],
    MICRO_LOG_LEVEL: process.env['MICRO_LOG_LEVEL'],
  },
});
await service.start();
if (role === 'serve') process.send?.({ address: service.server.node?.address });
else {
  const client = service.resolve(StreamerClient);
  for (let n = 0; n < 50; n++) await client.warm({ bytes: new Uint8Array(CHUNK) }, { address });
  process.send?.({ warm: true });
  if (role === 'read') await take(client.down({}, { address }));
  else await client.up(offered(), { address });
}
