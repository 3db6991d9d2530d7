import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import type { Clock } from '../../src/core/clock.js';

interface Pair {
  readonly kid: string;
  readonly alg: string;
  readonly secret: CryptoKey;
  readonly shown: JWK;
}

/** What makes a token another one than usual. */
export interface TokenFacts {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
  /** For how long it is good. */
  readonly forMs?: number;
  readonly audience?: string;
}

/** Issues tokens, and shows its keys at a URL, as a real server on this machine. */
export class Issuer implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #server: Server;
  #pairs: Pair[] = [];
  /** How often it was asked for its keys. */
  asked = 0;
  /** What it answers instead of its keys. */
  answer: { readonly status: number; readonly body: string } | undefined;
  /** Is waited for before each answer. */
  hold: Promise<void> | undefined;
  #port = 0;

  private constructor(clock: Clock) {
    this.#clock = clock;
    this.#server = createServer((_, response) => {
      this.asked++;
      void Promise.resolve(this.hold).then(() => {
        const { status = 200, body = JSON.stringify({ keys: this.#pairs.map(({ shown }) => shown) }) } =
          this.answer ?? {};
        response.writeHead(status, { 'content-type': 'application/jwk-set+json' }).end(body);
      });
    });
  }

  static async start(clock: Clock, alg = 'ES256'): Promise<Issuer> {
    const issuer = new Issuer(clock);
    await issuer.rotate(alg);
    await issuer.up();
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/keys`;
  }

  /** The key that it signs with now, as it shows it. */
  get shown(): JWK {
    return this.#last.shown;
  }

  async up(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    // It listens on TCP.
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async down(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  /** Signs with a new key from now on, and shows so many of the old ones. */
  async rotate(alg = 'ES256', keep = 0): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const kid = `key-${Math.random().toString(36).slice(2)}`;
    const shown = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' };
    this.#pairs = [...(keep === 0 ? [] : this.#pairs.slice(-keep)), { kid, alg, secret: privateKey, shown }];
  }

  token({ claims = {}, header = {}, forMs = 60_000, audience = 'desk' }: TokenFacts = {}): Promise<string> {
    const { kid, alg, secret } = this.#last;
    const now = Math.floor(this.#clock.now() / 1_000);
    const usual = {
      sub: 'ada',
      iss: 'https://issuer.test',
      aud: audience,
      iat: now,
      exp: now + forMs / 1_000,
    };
    return new SignJWT({ ...usual, ...claims }).setProtectedHeader({ alg, kid, ...header }).sign(secret);
  }

  get #last(): Pair {
    const last = this.#pairs.at(-1);
    if (last === undefined) throw new Error('an issuer has a key');
    return last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }
}
