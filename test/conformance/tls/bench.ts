import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions } from 'node:tls';
import { OctavoError } from '../../../src/core/error.js';
import type { Logger } from '../../../src/core/logger.js';
import type { TlsOptions } from '../../../src/core/tls.js';
import { readError } from '../../../src/core/wire-error.js';
import type { Issued } from '../../../src/core/x509.js';
import { TestLogger } from '../../../src/testing/test-logger.js';
import type { Listener, Transport } from '../../../src/transport/transport.js';
import { answering, ANY, call, message, text } from '../transport/talk.js';
import { identity, newAuthority, tlsServer } from './identities.js';

// What the checks of a transport's TLS stand on.

/** A kind of transport whose TLS ends in this process. */
export interface TlsSubject {
  /** One that is not started; without options it speaks plain text. */
  make(tls: TlsOptions | undefined, logger: Logger): Transport;
}

/** Transports that were started, and what they log. */
export class Bench {
  readonly logger = new TestLogger();
  readonly authority = newAuthority();
  readonly #subject: TlsSubject;
  readonly #opened: (() => unknown)[] = [];

  private constructor(subject: TlsSubject) {
    this.#subject = subject;
  }

  static async with(subject: TlsSubject, run: (bench: Bench) => Promise<void>): Promise<void> {
    const bench = new Bench(subject);
    try {
      await run(bench);
    } finally {
      for (const close of bench.#opened.reverse()) await close();
    }
  }

  get ca(): string {
    return this.authority.cert;
  }

  /** Options of somebody whom the authority knows. */
  known(name: string, more: Partial<TlsOptions> = {}): TlsOptions {
    return { ca: this.ca, ...identity(this.authority, name), ...more };
  }

  async transport(tls?: TlsOptions): Promise<Transport> {
    const made = this.#subject.make(tls, this.logger);
    this.#opened.push(() => made.stop?.());
    await made.start?.();
    return made;
  }

  /** A listener that answers who its caller is. */
  async listen(tls?: TlsOptions): Promise<Listener & { readonly accepted: () => number }> {
    let accepted = 0;
    const answer = answering(async (socket) => {
      accepted++;
      await socket.receive();
      await socket.send(message(socket.certificate?.subject ?? 'nobody'));
      socket.close();
    });
    const listener = await (await this.transport(tls)).listen(ANY, answer);
    return Object.assign(listener, { accepted: () => accepted });
  }

  /** Who a listener says that a caller is. */
  async asks(tls: TlsOptions | undefined, listener: Listener): Promise<string | undefined> {
    return text(await call(await this.transport(tls), listener, message('who am I')));
  }

  async server(options: Parameters<typeof tlsServer>[0]): Promise<Listener> {
    const server = await tlsServer(options);
    this.#opened.push(() => server.close());
    return { address: server.address, close: async () => server.close() };
  }

  /** Waits until the log says why a listener refused somebody. */
  async logged(pattern: RegExp): Promise<void> {
    const says = (): boolean =>
      this.logger.records.some(({ message, fields }) =>
        pattern.test(`${message} ${String(fields['error'])}`),
      );
    for (let n = 0; n < 5_000 && !says(); n++) await turn();
    assert.ok(says(), `${String(pattern)} is not in ${JSON.stringify(this.logger.records)}`);
  }

  /** Shakes hands as no transport does that checks its own certificate, and waits until the listener ends that. */
  async foreign({ address }: Listener, options: ConnectionOptions): Promise<void> {
    const [host, port] = address.split(':');
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ...options });
    this.#opened.push(() => socket.destroy());
    socket.on('error', () => {});
    // It may have to say something first, and it is no matter what.
    socket.on('secureConnect', () => socket.write('?'));
    socket.resume();
    await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** Why a call came to nothing: by its failure, or by an answer of the wire that says so. */
async function refusal(transport: Transport, listener: Listener): Promise<OctavoError> {
  try {
    const answer = await call(transport, listener, message('a call'));
    const error = answer?.header.get('Micro-Error');
    if (error !== undefined) return readError(error);
  } catch (reason) {
    assert.ok(reason instanceof OctavoError, String(reason));
    return reason;
  }
  return assert.fail('nothing was refused');
}

/** A call is refused with this reason, and may go to another node. */
export async function refuses(transport: Transport, listener: Listener, says: RegExp): Promise<OctavoError> {
  const error = await refusal(transport, listener);
  assert.match(error.message, says);
  assert.equal(error.executed, false);
  return error;
}

/** Files of a certificate, written as it is done in earnest: each is whole when it has its name. */
export class Files {
  readonly cert: string;
  readonly key: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.cert = join(folder, 'tls.crt');
    this.key = join(folder, 'tls.key');
  }

  static async with(run: (files: Files) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'octavo-conformance-tls-'));
    try {
      await run(new Files(folder));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async write({ cert, key }: Issued): Promise<void> {
    for (const [file, content] of [
      [this.key, key],
      [this.cert, cert],
    ] as const) {
      const draft = join(this.#folder, 'draft');
      await writeFile(draft, content);
      await rename(draft, file);
    }
  }
}
