import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { freePorts } from '../support/free-port.js';
import { accepts, ServerProcess } from '../support/server-process.js';

const run = promisify(execFile);

/** The sample as `MICRO_SERVER=grpc npm run greeter` runs it, and grpcurl, which knows nothing of it but what reflection tells. */
describe('MICRO_SERVER=grpc npm run greeter, asked by grpcurl', () => {
  let greeter: ServerProcess;
  let address = '';
  before(async () => {
    const [port = 0] = await freePorts(1);
    address = `127.0.0.1:${port}`;
    const env = {
      MICRO_SERVER: 'grpc',
      MICRO_SERVER_ADDRESS: address,
      MICRO_REGISTRY: 'memory',
      MICRO_BROKER: 'memory',
    };
    const script = ['dist/samples/greeter/server.js'];
    ({ server: greeter } = await ServerProcess.start(
      process.execPath,
      script,
      '.',
      () => accepts(port),
      env,
    ));
  });
  after(() => greeter.kill());

  async function grpcurl(...args: readonly string[]): Promise<string> {
    const before = args.slice(0, -1);
    const { stdout } = await run('grpcurl', ['-plaintext', ...before, address, args.at(-1) ?? ''], {
      timeout: 20_000,
    });
    return stdout;
  }

  it('lists its services', async () => {
    assert.deepEqual((await grpcurl('list')).trim().split('\n'), [
      'greeter.Greeter',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ]);
  });

  it('answers a call', async () => {
    assert.deepEqual(JSON.parse(await grpcurl('-d', '{"name":"Ada"}', 'greeter.Greeter/Hello')), {
      message: 'Hello Ada',
    });
  });

  it('streams either way', async () => {
    const ticks = await grpcurl('-d', '{"to":2}', 'greeter.Greeter/Count');
    assert.ok((ticks.match(/\{/g) ?? []).length >= 2, ticks);
    const echoed = await grpcurl('-d', '{"value":1}{"value":2}', 'greeter.Greeter/Echo');
    assert.equal(echoed.match(/\{/g)?.length, 2, echoed);
  });

  it('refuses what breaks a rule, with the field', async () => {
    await assert.rejects(
      grpcurl('-d', '{"name":""}', 'greeter.Greeter/Hello'),
      (error: { stderr?: string }) => {
        assert.match(
          error.stderr ?? '',
          /Code: InvalidArgument\s+Message: .*name[^]*google\.rpc\.BadRequest/,
        );
        return true;
      },
    );
  });

  it('says how it is', async () => {
    assert.deepEqual(
      JSON.parse(await grpcurl('-d', '{"service":"greeter.Greeter"}', 'grpc.health.v1.Health/Check')),
      {
        status: 'SERVING',
      },
    );
  });
});
