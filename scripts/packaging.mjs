// Packs the package, checks the tarball, and uses it as a stranger would: installed in an empty project, compiled and called.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const CONSUMER = `
import { ClientOf, Field, Handler, Message, Service, createService } from 'octavo';
import { memory as memoryBroker } from 'octavo/broker/memory';
import { memory as memoryRegistry } from 'octavo/registry/memory';
import { http } from 'octavo/transport/http';
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
console.log(message, again.message, Object.keys(registrySuite).length > 10);
`;

/** What needs an optional package, which is not installed: the function that makes it, and the package. */
const NEEDING = {
  'transport/nats': ['nats', '@nats-io/transport-node'],
  'transport/rabbitmq': ['rabbitmq', 'rabbitmq-client'],
  'registry/nats': ['nats', '@nats-io/transport-node'],
  'registry/etcd': ['etcd', 'etcd3'],
  'registry/zookeeper': ['zookeeper', 'node-zookeeper-client'],
  'broker/nats': ['nats', '@nats-io/transport-node'],
  'broker/nats-jetstream': ['natsJetStream', '@nats-io/'],
  'broker/kafka': ['kafka', '@platformatic/kafka'],
  'broker/nsq': ['nsq', 'nsqjs'],
  'broker/rabbitmq': ['rabbitmq', 'rabbitmq-client'],
  'broker/redis': ['redis', 'ioredis'],
  'broker/redis-streams': ['redisStreams', 'ioredis'],
};

/** Starts each of them, and prints what it says. */
const LACKING = `
import { createService } from 'octavo';
import { memory as memoryBroker } from 'octavo/broker/memory';
import { memory as memoryRegistry } from 'octavo/registry/memory';
import { memory as memoryTransport } from 'octavo/transport/memory';
${Object.entries(NEEDING)
  .map(([door, [name]], n) => `import { ${name} as it${n} } from 'octavo/${door}';`)
  .join('\n')}

const usual = { transport: memoryTransport(), registry: memoryRegistry(), broker: memoryBroker(), env: {} };
const lacking = [${Object.keys(NEEDING)
  .map((door, n) => `{ ...usual, ${door.split('/')[0]}: it${n}() }`)
  .join(', ')}];
for (const [n, options] of lacking.entries()) {
  const service = createService({ name: 'lacking' + n, ...options });
  console.log(await service.start().then(() => 'started', (error: Error) => error.message));
  await service.stop();
}
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
  writeFileSync(join(folder, 'lacking.ts'), LACKING);
  // No door names the types of a package that a user may not have.
  writeFileSync(join(folder, 'doors.ts'), doors().join('\n'));
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
      // As strict as anybody's own: what the package declares is checked by it, too.
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noImplicitOverride: true,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
      types: ['node'],
      typeRoots: [resolve(root, 'node_modules/@types')],
      outDir: 'out',
    };
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['main.ts', 'lacking.ts', 'doors.ts'] }),
    );
    run(bin('tsc'), ['-p', folder], folder);
  }
  const printed = run('node', ['out/main.js'], folder).trim();
  if (printed !== 'Hello stranger Hello again true')
    throw new Error(`the consumer printed ${JSON.stringify(printed)}`);
  const said = run('node', ['out/lacking.js'], folder).trim().split('\n');
  for (const [n, [door, [, name]]] of Object.entries(NEEDING).entries())
    if (!said[n]?.includes(`needs a package: npm install ${name}`))
      throw new Error(`${door} without its package said ${JSON.stringify(said[n])}`);
  console.log('packed, checked, installed, compiled in two ways, and called');
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function doors() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.keys(exports)
    .filter((door) => !door.includes('*') && !door.endsWith('.json'))
    .map((door, n) => `export type * as door${n} from 'octavo${door.slice(1)}';`);
}

function run(command, args, cwd) {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    console.error(`${command} ${args.join(' ')}\n${error.stdout ?? ''}${error.stderr ?? ''}`);
    process.exit(1);
  }
}
