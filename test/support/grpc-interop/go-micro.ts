import { Registry } from '../../../src/registry/registry.js';
import type { Service } from '../../../src/service/service.js';
import { buildGo, GoProgram } from '../go-program.js';

const SHARED = ['greeter.pb.go', 'handlers.go'].map((file) => `test/interop/peers/${file}`);

/** A program on go-micro's gRPC server and client; `undefined` where it cannot be built. */
export const goMicro = buildGo('test/backends/peers/micro-grpc-go', SHARED);

export function startGoMicro(): Promise<GoProgram> {
  return GoProgram.start(goMicro ?? '', []);
}

/** A service as go-micro's registry has it. */
interface GoRecord {
  readonly name: string;
  readonly version: string;
  readonly nodes: readonly { id: string; address: string; metadata: Record<string, string> }[];
}

/** Has a program serve, and writes what its registry says of it into a service's. Returns where it is. */
export async function serveGoMicro(go: GoProgram, service: Service): Promise<string> {
  const [record] = await go.ask<readonly GoRecord[]>({ do: 'serve' });
  const [node] = record?.nodes ?? [];
  if (record === undefined || node === undefined) throw new Error('go-micro registered nothing');
  const { name, version, nodes } = record;
  await service.resolve(Registry).register({ name, version, nodes, metadata: {}, endpoints: [] });
  return node.address;
}
