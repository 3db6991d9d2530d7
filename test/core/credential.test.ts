import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { parseHttpAddress } from '../../src/core/http-address.js';
import { parseServer } from '../../src/core/nats-address.js';
import { parseRabbitAddress } from '../../src/core/rabbitmq-address.js';
import { parseRedis } from '../../src/core/redis-address.js';
import { parseServers } from '../../src/registry/zookeeper/address.js';

const READERS: Readonly<
  Record<string, (address: string) => { readonly user?: unknown; readonly pass?: unknown }>
> = {
  nats: (address) => parseServer(`nats://${address}`),
  redis: (address) => parseRedis(`redis://${address}`),
  rabbitmq: (address) => parseRabbitAddress(`amqp://${address}`),
  http: (address) => parseHttpAddress(`http://${address}`, 80),
  zookeeper: (address) => parseServers([address]),
};

describe('user and password in an address', () => {
  for (const [name, read] of Object.entries(READERS)) {
    it(`of ${name} are decoded`, () => {
      const { user, pass } = read('us%40er:pa%3Ass@host:1');
      assert.deepEqual([user, pass], ['us@er', 'pa:ss']);
    });

    it(`of ${name} that cannot be decoded are refused, and not shown`, () => {
      for (const address of ['us%er:secret@host:1', 'user:secret%@host:1', 'user:%C3@host:1'])
        assert.throws(
          () => read(address),
          (reason) =>
            reason instanceof OctavoError &&
            reason.code === 'invalid_argument' &&
            reason.message.includes('host') &&
            !/secret|us%er|C3/.test(`${reason.message} ${String(reason.cause)}`),
        );
    });
  }
});
