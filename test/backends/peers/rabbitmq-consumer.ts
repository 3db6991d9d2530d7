import { RabbitBroker } from '../../../src/broker/rabbitmq.js';
import { parts } from '../../support/parts.js';
import { consume } from '../support/chaos-consumer.js';

await consume((addresses) => new RabbitBroker({ addresses }, parts()));
