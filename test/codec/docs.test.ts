import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Field, Handler, Message, Service } from '../../decorators/index.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { bytes } from '../../src/codec/bytes.js';
import type { Codec } from '../../src/codec/codec.js';
import { Codecs } from '../../src/codec/codecs.js';
import { grpc } from '../../src/codec/grpc.js';
import { text } from '../../src/codec/text.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { Ask } from '../conformance/probe.js';
import { CODECS } from '../support/codecs.js';

const PAGE = readFileSync('docs/providers/codecs.md', 'utf8');

@Message('greeter.HelloRequest')
class HelloRequest {
  @Field(1, 'string') name = '';
}

@Message('greeter.HelloReply')
class HelloReply {
  @Field(1, 'string') message = '';
}

@Service({ name: 'greeter' })
class Greeter {
  @Handler(HelloRequest, HelloReply)
  async hello({ name }: HelloRequest): Promise<HelloReply> {
    return { message: `Hello ${name}` };
  }
}

describe('the page on codecs', () => {
  const service = createService({
    services: [Greeter],
    codecs: CODECS,
    registry: memoryRegistry(),
    broker: memoryBroker(),
    logger: () => new TestLogger(),
    env: {},
  });
  before(() => service.start());
  after(() => service.stop());

  const lines = [...PAGE.matchAll(/```sh\n(curl [^\n]+)\n```\n\n```json\n([^`]+)```/g)];

  it('has a line for each codec of JSON-RPC, and one for a batch', () => assert.equal(lines.length, 3));

  for (const [, line = '', answer = ''] of lines)
    it(`has a line that does what it says: ${line}`, async () => {
      const [, type = '', body = '', path = ''] =
        /^curl -H 'Content-Type: ([^']+)' -d '([^']+)' http:\/\/127\.0\.0\.1:8080(\/\S*)$/.exec(line) ?? [];
      const response = await fetch(`http://${service.server.node?.address}${path}`, {
        method: 'POST',
        headers: { 'content-type': type },
        body,
      });
      assert.equal(response.status, 200);
      assert.deepEqual(await response.json(), JSON.parse(answer));
    });

  it('lists each codec with its content types, and how long a request is', async () => {
    // They need nothing of the container.
    const resolve = (): never => assert.fail('a codec asked for a dependency');
    const codecs: readonly Codec[] = [...CODECS, bytes(), text()].map((make) => make(resolve));
    await new Codecs(codecs).start();
    const rows = PAGE.split('\n').filter((line) => line.startsWith('| `octavo/codec/'));
    const both = grpc({ format: 'json' })(resolve).contentTypes;
    for (const codec of codecs.filter(({ contentTypes }) => contentTypes[0] !== both[0])) {
      const row = rows.find((each) => each.startsWith(`| \`octavo/codec/${codec.name}\``)) ?? '';
      const [, , types = '', , size = ''] = row.split('|');
      const listed = [...types.matchAll(/`([a-z]+\/[^`]+)`/g)].map(([, type]) => type);
      assert.deepEqual(listed, [...codec.contentTypes, ...(codec.name === 'grpc' ? both : [])]);
      if (size.trim() === '') continue;
      const header = { kind: 'request', id: '7', service: 'probe', endpoint: 'Probe.Echo' } as const;
      assert.equal(codec.write(header, { text: 'Ada', count: 7 }, Ask).length, Number(size));
    }
    assert.equal(rows.length, 10);
  });
});
