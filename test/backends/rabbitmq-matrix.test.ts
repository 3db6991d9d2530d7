import { after, before } from 'node:test';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { rpc } from '../../src/server/rpc.js';
import { rabbitmq } from '../../src/transport/rabbitmq.js';
import { column } from '../support/matrix/column.js';
import { MOST_BYTES } from '../support/matrix/features.js';
import { RabbitServer } from '../support/rabbit-server.js';

let server: RabbitServer;
before(async () => {
  server = await RabbitServer.start();
});
after(() => server.stop());

column('rpc over rabbitmq', {
  transport: () => rabbitmq({ addresses: [server.address], maxMessageBytes: MOST_BYTES }),
  server: rpc,
  client: rpcClient(),
});
