import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Service } from '../../decorators/index.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService, run } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';

@Service({ name: 'signalled' })
class Signalled {}

const STACK = {
  registry: memoryRegistry(),
  broker: memoryBroker(),
  transport: memoryTransport(),
  logger: () => new TestLogger(),
  env: {},
};

/** Runs a service in a process of its own, which is sent a signal once it serves; gives the status of its end, and its log. */
async function ended(
  options: string,
  signal: NodeJS.Signals,
  wire = 'memory',
): Promise<{ status: unknown; log: string }> {
  const at = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const program = `
    import { run } from ${at('../../src/service/run.js')};
    import { Service } from ${at('../../decorators/index.js')};
    const again = () => process.kill(process.pid, '${signal}');
    class Thing {}
    Service({ name: 'thing' })(Thing);
    await run(Thing, ${options});
    console.error('over');
  `;
  const env = { MICRO_REGISTRY: 'memory', MICRO_BROKER: wire, MICRO_TRANSPORT: wire };
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (text: Buffer) => {
    const served = log.includes('serving');
    log += text.toString();
    if (!served && log.includes('serving')) child.kill(signal);
  });
  const [status] = (await once(child, 'close')) as readonly unknown[];
  return { status, log };
}

describe('an app that is run', () => {
  it('stays up with nothing but memory below it, and ends by itself after a signal', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const { status, log } = await ended('{}', signal);
      assert.equal(status, 0, log);
      assert.match(log, /over/);
    }
  });

  it('ends by itself after a signal with http below it', async () => {
    const { status, log } = await ended('{}', 'SIGTERM', 'http');
    assert.equal(status, 0, log);
    assert.match(log, /address=127\.0\.0\.1:/);
  });

  it('is ended at once by a second signal', async () => {
    const { status, log } = await ended('{ beforeStop: [() => new Promise(again)] }', 'SIGINT');
    assert.equal(status, 130, log);
    assert.doesNotMatch(log, /over/);
  });

  it('takes its signal handlers back when it stops', async () => {
    const before = process.listenerCount('SIGTERM');
    await run(Signalled, {
      ...STACK,
      afterStart: [
        () => {
          assert.equal(process.listenerCount('SIGTERM'), before + 1);
          process.emit('SIGTERM', 'SIGTERM');
        },
      ],
    });
    assert.equal(process.listenerCount('SIGTERM'), before);
  });

  it('takes them back when it cannot start, and can be started again', async () => {
    const before = process.listenerCount('SIGTERM');
    let fails = true;
    const hook = (): void => {
      if (fails) throw new Error('not yet');
    };
    const service = createService({ ...STACK, services: [Signalled], beforeStart: [hook] });
    await assert.rejects(service.run(), /not yet/);
    assert.equal(process.listenerCount('SIGTERM'), before);
    fails = false;
    await service.start();
    await service.stop();
  });

  it('returns when somebody else stops it', async () => {
    const service = createService({ ...STACK, services: [Signalled] });
    await service.start();
    const running = service.run();
    await service.stop();
    await running;
  });
});
