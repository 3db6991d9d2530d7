import { createServer } from 'node:http2';
import { create, createFileRegistry } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';
import { createClient } from '@connectrpc/connect';
import { connectNodeAdapter, createConnectTransport } from '@connectrpc/connect-node';

/** echo.proto, as its generator would describe it. */
const file = create(FileDescriptorProtoSchema, {
  name: 'echo.proto',
  package: 'bench',
  syntax: 'proto3',
  messageType: [
    {
      name: 'Text',
      field: [
        {
          name: 'text',
          jsonName: 'text',
          number: 1,
          type: FieldDescriptorProto_Type.STRING,
          label: FieldDescriptorProto_Label.OPTIONAL,
        },
      ],
    },
  ],
  service: [
    { name: 'Echo', method: [{ name: 'Echo', inputType: '.bench.Text', outputType: '.bench.Text' }] },
  ],
});
const Echo = createFileRegistry(file, () => undefined).getService('bench.Echo');

export const variant = {
  name: 'connect',
  about: 'connect-node 2, Connect protocol over HTTP/2, protobuf',

  async serve() {
    const routes = (router) => router.service(Echo, { echo: async ({ text }) => ({ text }) });
    const server = createServer(connectNodeAdapter({ routes }));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${server.address().port}`;
  },

  async connect(address) {
    const client = createClient(Echo, createConnectTransport({ httpVersion: '2', baseUrl: address }));
    return async (text) => (await client.echo({ text })).text;
  },
};
