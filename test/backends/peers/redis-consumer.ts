import { RedisBroker } from '../../../src/broker/redis.js';
import { parts } from '../../support/parts.js';
import { consume } from '../support/chaos-consumer.js';

await consume((addresses) => new RedisBroker({ addresses }, parts()));
