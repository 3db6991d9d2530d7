import { credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { Echo } from './proto.mjs';

export const variant = {
  name: 'grpc-js',
  about: '@grpc/grpc-js 1.14',

  async serve() {
    const server = new Server();
    server.addService(Echo.service, { echo: ({ request }, reply) => reply(null, { text: request.text }) });
    const port = await new Promise((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    return `127.0.0.1:${port}`;
  },

  async connect(address) {
    const client = new Echo(address, credentials.createInsecure());
    return (text) =>
      new Promise((resolve, reject) =>
        client.echo({ text }, (error, reply) => (error ? reject(error) : resolve(reply.text))),
      );
  },
};
