import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientProxyFactory, MessagePattern, Transport } from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';

class EchoController {
  async echo({ text }) {
    return { text };
  }
}
class AppModule {}
// Decorators are functions: there is no compiler here.
MessagePattern('echo')(
  EchoController.prototype,
  'echo',
  Object.getOwnPropertyDescriptor(EchoController.prototype, 'echo'),
);
Controller()(EchoController);
Module({ controllers: [EchoController] })(AppModule);

/** JSON over TCP. */
export const variant = {
  name: 'nest',
  about: 'NestJS 11 microservices, TCP transport, JSON',

  async serve() {
    const app = await NestFactory.createMicroservice(AppModule, {
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port: 0 },
      logger: false,
    });
    await app.listen();
    return `127.0.0.1:${app.unwrap().address().port}`;
  },

  async connect(address) {
    const [host, port] = address.split(':');
    const client = ClientProxyFactory.create({
      transport: Transport.TCP,
      options: { host, port: Number(port) },
    });
    await client.connect();
    return async (text) => (await firstValueFrom(client.send('echo', { text }))).text;
  },
};
