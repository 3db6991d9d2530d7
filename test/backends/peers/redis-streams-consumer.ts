import { RedisStreamsBroker } from '../../../src/broker/redis-streams.js';
import { parts } from '../../support/parts.js';
import { consume } from '../support/chaos-consumer.js';

await consume((addresses) => new RedisStreamsBroker({ addresses, claimAfterMs: 2_000 }, parts()));
