import { Server } from 'node:net';
import { ServiceBroker } from 'moleculer';

// Moleculer's TCP transporter binds every interface, and takes no host.
const { value: listen } = Object.getOwnPropertyDescriptor(Server.prototype, 'listen');
Server.prototype.listen = function (options, ...more) {
  return listen.call(this, { ...options, host: '127.0.0.1' }, ...more);
};

/** A node that knows those at `urls`. */
async function node(nodeID, urls, services = []) {
  const broker = new ServiceBroker({
    nodeID,
    logger: false,
    transporter: { type: 'TCP', options: { udpDiscovery: false, useHostname: false, urls } },
  });
  for (const service of services) broker.createService(service);
  // What others dial.
  Object.assign(broker.registry.nodes.localNode, { hostname: '127.0.0.1', ipList: ['127.0.0.1'] });
  broker.registry.regenerateLocalRawInfo();
  await broker.start();
  return broker;
}

/** JSON over TCP. */
export const variant = {
  name: 'moleculer',
  about: 'Moleculer 0.14, TCP transporter, JSON',

  async serve() {
    const echo = { name: 'echo', actions: { echo: async ({ params }) => ({ text: params.text }) } };
    const broker = await node('server', [], [echo]);
    return `127.0.0.1:${broker.registry.nodes.localNode.port}`;
  },

  async connect(address) {
    const broker = await node('client', [`${address}/server`]);
    await broker.waitForServices('echo', 20_000);
    return async (text) => (await broker.call('echo.echo', { text })).text;
  },
};
