import { tmpdir } from 'node:os';
import { freePorts } from '../free-port.js';
import { accepts, ServerProcess } from '../server-process.js';

/** A foreign server that runs, and where. */
export interface Foreign {
  readonly server: ServerProcess;
  readonly address: string;
}

/** Starts grpc-go's own interop server. */
export async function startGrpcGo(...args: readonly string[]): Promise<Foreign> {
  const [port = 0] = await freePorts(1);
  const { server } = await ServerProcess.start(
    'grpc-interop-server',
    ['--port', String(port), ...args],
    tmpdir(),
    () => accepts(port),
  );
  return { server, address: `127.0.0.1:${port}` };
}
