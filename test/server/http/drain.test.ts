import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { serveHttp } from '../../support/http-server.js';
import { Raw } from '../../support/raw.js';
import { freeUdpPort } from '../../support/udp-port.js';

const POST =
  'POST /conformance.Probe/Wait HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';

describe('an http server that stops', () => {
  it('answers what is in flight, and closes the connection behind it', async () => {
    const served = await serveHttp();
    const raw = await Raw.open(served.address);
    raw.write(POST);
    const release = await served.handlers.waiting.next();
    const stopped = served.stop();
    // It refuses by now, on connections that are there and on new ones.
    for (let refused = false; !refused;) {
      const answer = await fetch(`http://${served.address}/ready`);
      await answer.text();
      refused = answer.status === 503 && answer.headers.get('connection') === 'close';
    }
    release();
    assert.match(await raw.end(), /200 OK.*connection: close.*"released"/s);
    await stopped;
  });

  it('tells a caller of HTTP/2 to go elsewhere, and lets it finish', async () => {
    const served = await serveHttp();
    const session = connectHttp2(`http://${served.address}`);
    const told = once(session, 'goaway');
    const stream = session.request({
      ':method': 'POST',
      ':path': '/conformance.Probe/Wait',
      'content-type': 'application/json',
    });
    stream.end('{}');
    const release = await served.handlers.waiting.next();
    const stopped = served.stop();
    await told;
    release();
    let text = '';
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await once(stream, 'end');
    assert.match(text, /"released"/);
    await stopped;
    if (!session.closed) await once(session, 'close');
  });
});

describe('MICRO_SERVER=http', () => {
  it('serves the greeter to whoever speaks HTTP', async () => {
    const child = spawn(process.execPath, ['--enable-source-maps', 'dist/samples/greeter/server.js'], {
      env: {
        PATH: process.env['PATH'],
        MICRO_SERVER: 'http',
        MICRO_REGISTRY: 'mdns',
        MICRO_REGISTRY_ADDRESS: `127.0.0.1:${await freeUdpPort()}`,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    try {
      const address = await new Promise<string>((resolve, reject) => {
        child.once('close', () => reject(new Error('it ended')));
        for (const output of [child.stdout, child.stderr])
          createInterface({ input: output }).on('line', (line) => {
            const found = / serving .*address=(\S+)/.exec(line)?.[1];
            if (found !== undefined) resolve(found);
          });
      });
      const answer = await fetch(`http://${address}/greeter.Greeter/Hello`, {
        method: 'POST',
        body: '{"name":"Ada"}',
        headers: { 'content-type': 'application/json' },
      });
      assert.deepEqual(await answer.json(), { message: 'Hello Ada' });
    } finally {
      child.kill('SIGTERM');
      await once(child, 'close');
    }
  });
});
