import { NatsJetStreamBroker } from '../../../src/broker/nats-jetstream.js';
import { parts } from '../../support/parts.js';
import { consume } from '../support/chaos-consumer.js';

await consume((addresses) => new NatsJetStreamBroker({ addresses, ackWaitMs: 2_000 }, parts()));
