import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { protoText } from '../../src/schema/proto-text.js';
import { declarationOf } from '../../src/schema/service-declaration.js';
import { Probe } from '../conformance/probe.js';
import { grpcSubject } from '../support/grpc-subject.js';

const there = spawnSync('python3', ['-c', 'import grpc, grpc_tools, grpc_status']).status === 0;
const skip = there ? false : 'grpcio IS NOT INSTALLED (pip install grpcio grpcio-tools grpcio-status)';

/** The `.proto` of the probe, as its classes print it. */
function proto(): string {
  const { package: pack, endpoint, methods } = declarationOf(Probe);
  const service = {
    name: `${pack}.${endpoint}`,
    methods: methods.map((method) => ({ ...method, name: method.endpoint.slice(endpoint.length + 1) })),
  };
  return protoText([], [service]);
}

describe('a Python program with grpcio', { skip }, () => {
  it('calls every kind of endpoint by the printed .proto, and sees a stop through', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'octavo-grpc-'));
    writeFileSync(join(folder, 'conformance.proto'), proto());
    const subject = grpcSubject();
    await subject.start?.();
    const python = spawn('python3', ['test/interop/peers/grpc_peer.py', subject.address, folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      const lines = createInterface(python.stdout)[Symbol.asyncIterator]();
      const seen = JSON.parse((await lines.next()).value ?? '{}') as Record<string, unknown>;
      const { deadline, internal, header, ...rest } = seen;
      assert.ok(Number(deadline) > 4_000 && Number(deadline) < 5_200, String(deadline)); // grpcio rounds up
      assert.match(JSON.stringify(internal), /^\["INTERNAL","internal error [0-9a-f-]{36}: .* of probe /);
      // What is no ASCII is read by Octavo peers, and seen by others.
      assert.deepEqual(header, [
        ['many', '1'],
        ['many', '2'],
        ['octavo-text', 'reply-header,many'],
        ['reply-header', '%C3%A9'],
      ]);
      assert.deepEqual(rest, {
        unary: ['é', -1],
        gzip: 'small',
        metadata: ['foo-bar=x y', 'many=a, b', 'raw-bin=AAr/'],
        trailer: [['reply-trailer', 'end']],
        'not found': ['NOT_FOUND', 'no thing', []],
        'no method': [
          'UNIMPLEMENTED',
          'The server does not implement the method /conformance.Probe/Nothing',
          [],
        ],
        late: 'DEADLINE_EXCEEDED',
        'too long': ['RESOURCE_EXHAUSTED', 'Received message larger than max (5000005 vs 4194304)', []],
        violations: ['text'],
        'server stream': ['OK', '', [1, 2, 3]],
        'error after items': ['OUT_OF_RANGE', 'that was the last', [1, 2]],
        'client stream': 6,
        'empty client stream': 0,
        bidi: ['a', 'b', 'goodbye'],
        cancelled: 'CANCELLED',
        'cancelled stream': 'CANCELLED',
      });
      subject.probe.waiting.clear();
      python.stdin.write('\n');
      const release = await subject.probe.waiting.next();
      const stopped = subject.stop?.();
      release();
      await stopped;
      assert.deepEqual(JSON.parse((await lines.next()).value ?? '{}'), {
        last: 'released',
        'after the end': 'UNAVAILABLE',
      });
      if (python.exitCode === null) await once(python, 'exit');
      assert.equal(python.exitCode, 0);
    } finally {
      python.kill();
      await subject.stop?.();
      rmSync(folder, { recursive: true });
    }
  });
});
