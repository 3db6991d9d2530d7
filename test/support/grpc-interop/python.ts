import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { protoText } from '../../../src/schema/proto-text.js';
import { declarationOf } from '../../../src/schema/service-declaration.js';
import { GoProgram } from '../go-program.js';
import { TestService } from './contract.js';

const PYTHON = 'grpc-python';
const run = promisify(execFile);

/** A process on grpcio, with the stubs that protoc makes of what Octavo prints of its classes. */
export class PythonPeer implements AsyncDisposable {
  readonly program: GoProgram;
  readonly #folder: string;

  private constructor(program: GoProgram, folder: string) {
    this.program = program;
    this.#folder = folder;
  }

  static async start(): Promise<PythonPeer> {
    const folder = await mkdtemp(join(tmpdir(), 'octavo-grpc-'));
    await writeFile(join(folder, 'interop.proto'), interopProto());
    const protoc = ['-m', 'grpc_tools.protoc', '-I.', '--python_out=.', '--grpc_python_out=.'];
    await run(PYTHON, [...protoc, 'interop.proto'], { cwd: folder });
    const program = await GoProgram.start(PYTHON, ['test/backends/peers/grpc-python/peer.py', folder]);
    return new PythonPeer(program, folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true });
  }
}

/** The interop service as `.proto` text. */
function interopProto(): string {
  const { package: pack, endpoint, methods } = declarationOf(TestService);
  const name = `${pack}.${endpoint}`;
  return protoText(
    [],
    [{ name, methods: methods.map((each) => ({ ...each, name: each.endpoint.slice(endpoint.length + 1) })) }],
  );
}
