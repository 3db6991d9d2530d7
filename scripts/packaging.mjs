// Packs the package, checks the tarball, and uses it as a stranger would: installed in an empty project, compiled and called.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const CONSUMER = `
import { ClientOf, Field, Handler, Message, Service, createService } from 'octavo';
import { memory as memoryBroker } from 'octavo/broker/memory';
import { memory as memoryRegistry } from 'octavo/registry/memory';
import { http } from 'octavo/transport/http';
import { nats } from 'octavo/transport/nats';
import { rabbitmq } from 'octavo/transport/rabbitmq';
import { rabbitmq as rabbitBroker } from 'octavo/broker/rabbitmq';
import { TestApp } from 'octavo/testing';
import { registrySuite } from 'octavo/conformance/registry';

@Message('greeter.HelloRequest')
class HelloRequest {
  @Field(1, 'string') name = '';
}

@Message('greeter.HelloReply')
class HelloReply {
  @Field(1, 'string') message = '';
}

@Service({ name: 'greeter' })
class Greeter {
  @Handler(HelloRequest, HelloReply)
  async hello({ name }: HelloRequest): Promise<HelloReply> {
    return { message: \`Hello \${name}\` };
  }
}

class GreeterClient extends ClientOf(Greeter) {}

const service = createService({ services: [Greeter], registry: memoryRegistry(), broker: memoryBroker(), transport: http(), env: { MICRO_LOG_LEVEL: 'error' } });
await service.start();
const { message } = await service.resolve(GreeterClient).hello({ name: 'stranger' });
await service.stop();
const app = await TestApp.create({ services: [Greeter] }).start();
const again = await app.client(GreeterClient).hello({ name: 'again' });
await app.stop();
const bus = createService({ name: 'bus', transport: nats(), registry: memoryRegistry(), broker: memoryBroker(), env: {} });
createService({ name: 'rabbit', transport: rabbitmq(), registry: memoryRegistry(), broker: rabbitBroker(), env: {} });
const missing = await bus.start().catch((error: Error) => error.message);
console.log(message, again.message, Object.keys(registrySuite).length > 10, missing);
`;

const root = process.cwd();
const bin = (name) => join(root, 'node_modules', '.bin', name);
const folder = mkdtempSync(join(tmpdir(), 'octavo-package-'));
try {
  run('npm', ['pack', '--silent', '--pack-destination', folder], root);
  const tarball = join(folder, readdirSync(folder).find((file) => file.endsWith('.tgz')) ?? 'none');
  run(bin('publint'), ['--strict', tarball], root);
  run(bin('attw'), [tarball, '--profile', 'esm-only'], root);
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'consumer', private: true, type: 'module' }),
  );
  run('npm', ['install', '--silent', '--prefer-offline', '--no-audit', '--no-fund', tarball], folder);
  writeFileSync(join(folder, 'main.ts'), CONSUMER);
  for (const [module, moduleResolution] of [
    ['ESNext', 'bundler'],
    ['NodeNext', 'nodenext'],
  ]) {
    const compilerOptions = {
      target: 'ES2022',
      lib: ['ES2023', 'ESNext.Disposable'],
      module,
      moduleResolution,
      strict: true,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
      types: ['node'],
      typeRoots: [resolve(root, 'node_modules/@types')],
      outDir: 'out',
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['main.ts'] }));
    run(bin('tsc'), ['-p', folder], folder);
  }
  const printed = run('node', ['out/main.js'], folder).trim();
  if (
    printed !==
    'Hello stranger Hello again true the nats transport needs a package: npm install @nats-io/transport-node'
  )
    throw new Error(`the consumer printed ${JSON.stringify(printed)}`);
  console.log('packed, checked, installed, compiled in two ways, and called');
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function run(command, args, cwd) {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    console.error(`${command} ${args.join(' ')}\n${error.stdout ?? ''}${error.stderr ?? ''}`);
    process.exit(1);
  }
}
