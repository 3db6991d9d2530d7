import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';

/** Loads nothing that is called msgpackr, as where it is not installed. */
const HIDING = `
export async function resolve(name, context, next) {
  if (name !== 'msgpackr') return next(name, context);
  const error = new Error("Cannot find package 'msgpackr'");
  error.code = 'ERR_MODULE_NOT_FOUND';
  throw error;
}`;

/** What a process writes that makes the codec and starts it. */
function started(...flags: readonly string[]): string {
  const door = pathToFileURL('dist/src/codec/msgpack.js').href;
  const program = `
    const { msgpack } = await import(${JSON.stringify(door)});
    const codec = msgpack()(() => undefined);
    console.log('made');
    await codec.start().then(() => console.log('started'), ({ code, message }) => console.log(code, message));`;
  return execFileSync(process.execPath, [...flags, '--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
}

describe('msgpackr, which the msgpack codec needs', () => {
  it('is loaded at the start, which says what to install where it is not there', () => {
    const hide = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(HIDING)}`)});`;
    const flag = `--import=data:text/javascript,${encodeURIComponent(hide)}`;
    assert.equal(
      started(flag),
      'made\nfailed_precondition the msgpack codec needs a package: npm install msgpackr\n',
    );
    assert.equal(started(), 'made\nstarted\n');
  });
});
