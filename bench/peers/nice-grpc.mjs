import { createChannel, createClient, createServer } from 'nice-grpc';
import { Echo } from './proto.mjs';

export const variant = {
  name: 'nice-grpc',
  about: 'nice-grpc 2 on grpc-js',

  async serve() {
    const server = createServer();
    server.add(Echo.service, { Echo: async ({ text }) => ({ text }) });
    return `127.0.0.1:${await server.listen('127.0.0.1:0')}`;
  },

  async connect(address) {
    const client = createClient(Echo.service, createChannel(address));
    return async (text) => (await client.Echo({ text })).text;
  },
};
