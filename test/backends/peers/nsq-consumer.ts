import { NsqBroker } from '../../../src/broker/nsq.js';
import { parts } from '../../support/parts.js';
import { consume } from '../support/chaos-consumer.js';

await consume((addresses) => new NsqBroker({ addresses, messageTimeoutMs: 2_000 }, parts()));
