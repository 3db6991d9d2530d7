import { NatsBroker } from '../../../src/broker/nats.js';
import { parts } from '../../support/parts.js';
import { consume } from '../support/chaos-consumer.js';

await consume((addresses) => new NatsBroker({ addresses }, parts()));
