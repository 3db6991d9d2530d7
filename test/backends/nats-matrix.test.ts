import { after, before } from 'node:test';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { rpc } from '../../src/server/rpc.js';
import { nats } from '../../src/transport/nats.js';
import { column } from '../support/matrix/column.js';
import { MOST_BYTES } from '../support/matrix/features.js';
import { NatsServer } from '../support/nats-server.js';

let server: NatsServer;
before(async () => {
  server = await NatsServer.start();
});
after(() => server.stop());

column('rpc over nats', {
  transport: () => nats({ addresses: [server.address], maxMessageBytes: MOST_BYTES }),
  server: rpc,
  client: rpcClient(),
});
