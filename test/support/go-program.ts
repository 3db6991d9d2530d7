import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * The path of a Go program, built from a folder under `test/backends/peers` where that was not done yet for these sources.
 *
 * `undefined` on a machine of one's own without Go; where tests count, that is an error.
 */
export async function goProgram(name: string): Promise<string | undefined> {
  const sources = join('test', 'backends', 'peers', name);
  const hash = createHash('sha256');
  try {
    hash.update((await run('go', ['version'])).stdout);
  } catch (cause) {
    if (process.env.CI === 'true') throw new Error('there is no Go to build the peers with', { cause });
    return undefined;
  }
  for (const file of (await readdir(sources)).sort())
    hash.update(`\0${file}\0`).update(await readFile(join(sources, file)));
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const program = join(cache, 'octavo', `go-${name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(program)) return program;
  const work = `${program}.${randomUUID()}`;
  await mkdir(work, { recursive: true });
  try {
    await cp(sources, work, { recursive: true });
    await run('go', ['build', '-mod=mod', '-o', 'program', '.'], { cwd: work });
    await rename(join(work, 'program'), program);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return program;
}
