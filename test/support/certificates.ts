import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const LOCAL = 'IP:127.0.0.1,DNS:localhost';
const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];

/** The files of a certificate and of its key. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** As OpenSSL's extension has it. @defaultValue `IP:127.0.0.1,DNS:localhost` */
  readonly san?: string;
  /** Whether it is of the year 2020. @defaultValue `false` */
  readonly expired?: boolean;
  /** What its key is encrypted with. @defaultValue it is not */
  readonly passphrase?: string;
}

/** An authority with a folder of its own, made by the `openssl` program; the folder goes when the test file ends. */
export class Authority {
  readonly folder: string;
  /** The file of its own certificate. */
  readonly ca: string;
  readonly #key: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.ca = join(folder, 'ca.pem');
    this.#key = join(folder, 'ca.key');
  }

  static async make(name = 'octavo test authority'): Promise<Authority> {
    const authority = new Authority(await mkdtemp(join(tmpdir(), 'octavo-tls-')));
    after(() => rm(authority.folder, { recursive: true, force: true }));
    const { ca } = await authority.selfSigned('ca', name, ['-addext', 'keyUsage=keyCertSign,cRLSign']);
    if (ca !== authority.ca) throw new Error(`the authority is in ${ca}`);
    return authority;
  }

  /** A certificate that it has signed, in `<file>.pem` and `<file>.key`. */
  async issue(
    file: string,
    { san = LOCAL, expired = false, passphrase }: CertificateOptions = {},
  ): Promise<Pair> {
    const [cert, key, request] = ['pem', 'key', 'csr'].map((kind) =>
      join(this.folder, `${file}.${kind}`),
    ) as [string, string, string];
    const locked = passphrase === undefined ? ['-nodes'] : ['-passout', `pass:${passphrase}`];
    const subject = ['-subj', `/CN=${file}`, '-addext', `subjectAltName=${san}`];
    await run('openssl', ['req', '-new', ...CURVE, ...locked, '-keyout', key, ...subject, '-out', request]);
    const [from, to] = expired
      ? ['20200101000000Z', '20200201000000Z']
      : ['20200101000000Z', '20491231000000Z'];
    const by = ['-cert', this.ca, '-keyfile', this.#key, '-config', await this.#config()];
    const when = ['-startdate', from, '-enddate', to, '-in', request, '-out', cert];
    await run('openssl', ['ca', '-batch', '-notext', '-rand_serial', ...by, ...when] as string[]);
    return { cert, key };
  }

  /** A certificate that vouches for itself. */
  async selfSigned(
    file: string,
    name = file,
    more: readonly string[] = [],
  ): Promise<Pair & { readonly ca: string }> {
    const [cert, key] = [join(this.folder, `${file}.pem`), join(this.folder, `${file}.key`)];
    const out = ['-nodes', '-keyout', key, '-out', cert, '-days', '3650'];
    const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${LOCAL}`];
    await run('openssl', ['req', '-x509', ...CURVE, ...out, ...subject, ...more]);
    return { cert, key, ca: cert };
  }

  async #config(): Promise<string> {
    const config = join(this.folder, 'ca.cnf');
    const index = join(this.folder, 'index.txt');
    await writeFile(
      config,
      `[ca]\ndefault_ca=c\n[c]\ndatabase=${index}\nnew_certs_dir=${this.folder}\nserial=${join(this.folder, 'serial')}\n` +
        'default_md=sha256\npolicy=p\ncopy_extensions=copy\n[p]\ncommonName=supplied\n',
    );
    // What it has signed before is nobody's business here.
    await writeFile(index, '');
    return config;
  }
}
