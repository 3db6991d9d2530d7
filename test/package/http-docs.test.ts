import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { GreeterServer } from '../../samples/greeter/greeter.js';
import { serveHttp, type Served } from '../support/http-server.js';

const PAGE = readFileSync('docs/http.md', 'utf8');

const found = spawnSync('curl', ['--version']).status === 0;
const skip = found ? false : 'curl IS NOT INSTALLED (apt-get install curl)';

/** The words of a line as a shell has them. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

describe('docs/http.md', () => {
  let served: Served<GreeterServer>;
  before(async () => {
    served = await serveHttp({}, { type: GreeterServer });
  });
  after(() => served.stop());

  const calls = [...PAGE.matchAll(/```sh\n(curl [^\n]+)\n```\n\n```json\n([^`]+)```/g)];

  it('shows calls by curl', () => assert.ok(calls.length >= 3));

  for (const [, line = '', answer = ''] of calls)
    it(`${line} gives what the page says`, { skip }, async () => {
      const [, ...args] = words(line.replace('127.0.0.1:8080', served.address));
      const { stdout } = await promisify(execFile)('curl', ['-s', ...args]);
      assert.deepEqual(JSON.parse(stdout), JSON.parse(answer));
    });
});
