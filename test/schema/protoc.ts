import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const found = spawnSync('protoc', ['--version']).status === 0;

/** Why tests with protoc are skipped, or `false` where they run. */
export const withoutProtoc: string | false = found
  ? false
  : 'protoc IS NOT INSTALLED (apt-get install protobuf-compiler): only the recorded bytes are compared';

/** A folder with `.proto` files that protoc works on. */
export class Protoc {
  readonly #folder = mkdtempSync(join(tmpdir(), 'octavo-protoc-'));
  readonly #paths: string[];

  constructor(files: ReadonlyMap<string, string>) {
    this.#paths = [...files.keys()];
    for (const [path, text] of files) {
      mkdirSync(dirname(join(this.#folder, path)), { recursive: true });
      writeFileSync(join(this.#folder, path), text);
    }
  }

  /** Throws what protoc says against the files. */
  check(): void {
    this.#run(['--descriptor_set_out=/dev/null'], '');
  }

  /** The files, and all that they import, as the bytes of a FileDescriptorSet. */
  descriptors(): Buffer {
    const out = join(this.#folder, 'descriptors');
    this.#run(['--include_imports', `--descriptor_set_out=${out}`], '');
    return readFileSync(out);
  }

  /** The bytes of a message in text format. */
  encode(type: string, text: string): Buffer {
    return this.#run([`--encode=${type}`], text);
  }

  /** The text format of a message's bytes. */
  decode(type: string, bytes: Uint8Array): string {
    return this.#run([`--decode=${type}`], bytes).toString();
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }

  #run(options: readonly string[], input: string | Uint8Array): Buffer {
    const { status, stdout, stderr } = spawnSync(
      'protoc',
      [`-I${this.#folder}`, ...options, ...this.#paths],
      { input },
    );
    if (status !== 0) throw new Error(`protoc: ${stderr.toString()}`);
    return stdout;
  }
}
