import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';

// The tests run from the project's folder, over tsc's output; what must not compile is never built.
const WRONG = 'test/types/wrong';
const files = readdirSync(WRONG).filter((file) => file.endsWith('.ts'));

/** What the compiler says of each file, by its name. */
async function diagnose(folder: string): Promise<Map<string, string>> {
  const config = {
    extends: resolve('tsconfig.json'),
    compilerOptions: {
      noEmit: true,
      incremental: false,
      declaration: false,
      declarationMap: false,
      // Nothing is emitted, so nothing is to be remembered.
      tsBuildInfoFile: null,
      rootDir: resolve('.'),
      typeRoots: [resolve('node_modules/@types')],
    },
    include: [],
    exclude: [],
    files: [...files.map((file) => resolve(WRONG, file)), resolve('test/types/right.ts')],
  };
  const path = join(folder, 'tsconfig.json');
  writeFileSync(path, JSON.stringify(config));
  const printed = await promisify(execFile)('node_modules/.bin/tsc', ['-p', path, '--pretty', 'false'])
    .then(({ stdout }) => stdout)
    .catch((error: { stdout: string }) => error.stdout);
  const said = new Map<string, string>();
  let current = '';
  for (const line of printed.split('\n')) {
    const match = /([^/\\]+\.ts)\(\d+,\d+\): /.exec(line);
    if (match !== null) current = match[1] ?? '';
    said.set(current, `${said.get(current) ?? ''}${line}\n`);
  }
  return said;
}

describe('the compiler', () => {
  const folder = mkdtempSync(join(tmpdir(), 'octavo-types-'));
  let said = new Map<string, string>();
  before(async () => {
    said = await diagnose(folder);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('takes what is right', () => {
    assert.equal(said.get('right.ts'), undefined);
  });

  for (const file of files) {
    const [, code = '', words = ''] =
      /^\/\/ (TS\d+): (.*)$/m.exec(readFileSync(join(WRONG, file), 'utf8')) ?? [];
    it(`refuses ${file.replace('.ts', '').replaceAll('-', ' ')}`, () => {
      const text = said.get(file) ?? '';
      assert.match(code, /^TS\d+$/, `the first line of ${file} names no diagnostic`);
      assert.ok(
        text.includes(code) && text.includes(words),
        `expected ${code}: ${words}\n${text || 'it compiles'}`,
      );
    });
  }
});
