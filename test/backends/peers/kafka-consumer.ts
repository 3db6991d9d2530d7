import { KafkaBroker } from '../../../src/broker/kafka.js';
import { parts } from '../../support/parts.js';
import { consume } from '../support/chaos-consumer.js';

await consume((addresses) => new KafkaBroker({ addresses, sessionTimeoutMs: 3_000 }, parts()));
