import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { peer } from '../../src/core/peer.js';

/** As an import of something that is not there, which the compiler cannot see. */
function missing(name: string): Promise<unknown> {
  return import(name);
}

describe('an optional package', () => {
  it('is loaded', async () => {
    const loaded = await peer('the test', 'node:path', () => import('node:path'));
    assert.equal(typeof loaded.join, 'function');
  });

  it('is named, with what to do, where it is not installed', async () => {
    await assert.rejects(
      peer('the test', '@nobody/has-this', () => missing('@nobody/has-this')),
      { code: 'failed_precondition', message: 'the test needs a package: npm install @nobody/has-this' },
    );
  });

  it('is not what is missing where one of its own is', async () => {
    await assert.rejects(
      peer('the test', '@nobody/has-this', () => missing('@nobody/has-that')),
      { code: 'ERR_MODULE_NOT_FOUND' },
    );
  });

  it('is not what is missing where it fails by itself', async () => {
    const broken = new Error('broken');
    await assert.rejects(
      peer('the test', 'x', () => Promise.reject(broken)),
      broken,
    );
  });
});
