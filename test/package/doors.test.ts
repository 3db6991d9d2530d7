import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

interface Door {
  readonly types: string;
  readonly default: string;
}

const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Record<string, Door | string>;
};
const doors = Object.entries(exports).flatMap(([name, door]) =>
  typeof door === 'string' ? [] : [{ name, ...door }],
);
const single = doors.filter(({ name }) => !name.includes('*'));

/** Imports a door in a process of its own, and tells what that set going. */
const LOOK = `
  const before = process.listenerCount('SIGTERM') + process.listenerCount('uncaughtException');
  process.argv.push('--nonsense', '--help');
  await import(process.argv[1]);
  const { createRequire } = await import('node:module');
  const loaded = Object.keys(createRequire(process.argv[1]).cache ?? {});
  const heavy = ['fastify', 'class-validator'].filter((name) => loaded.some((path) => path.includes('/node_modules/' + name + '/')));
  const handles = process.getActiveResourcesInfo().filter((kind) => !/Pipe|TTY|FSReq|CloseReq|Immediate/.test(kind));
  const listeners = process.listenerCount('SIGTERM') + process.listenerCount('uncaughtException') - before;
  console.log(JSON.stringify({ heavy, handles, listeners }));
`;

describe('a door', () => {
  for (const { name, default: path, types } of single) {
    it(`${name} is there, with its types`, () => {
      assert.ok(existsSync(path) && existsSync(types), `${path} or ${types} is missing`);
    });

    it(`${name} opens nothing, starts nothing and reads no arguments when it is imported`, () => {
      const url = new URL(`../../../${path}`, import.meta.url).href;
      const printed = execFileSync(process.execPath, ['--input-type=module', '-e', LOOK, '--', url], {
        encoding: 'utf8',
        timeout: 20_000,
      });
      assert.deepEqual(JSON.parse(printed), { heavy: [], handles: [], listeners: 0 });
    });
  }

  it('is there for every provider, and for nothing else', () => {
    const providers = single.map(({ name }) => name.slice(2)).filter((name) => name.includes('/'));
    for (const provider of providers) assert.ok(existsSync(`src/${provider}.ts`), provider);
  });
});
