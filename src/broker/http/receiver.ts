import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { formatAddress, parseAddress } from '../../core/address.js';
import { OctavoError } from '../../core/error.js';
import { httpTimeouts } from '../../core/http-timeouts.js';
import type { InHand } from '../../core/in-hand.js';
import { clientOf, type Certificates } from '../../core/tls.js';
import type { EnvelopeLimits } from '../envelope.js';
import { readPost, refusal } from './envelope.js';
import { SecureServers } from './secure-servers.js';
import type { Subscription } from './subscription.js';

export interface ReceiverOptions extends EnvelopeLimits {
  readonly timeoutMs: number;
  readonly maxConnections: number;
  readonly maxEvents: number;
}

export interface ReceiverParts {
  /** What runs until its answer is out. */
  readonly inHand: InHand;
  readonly find: (id: string) => Subscription | undefined;
  /** `undefined` without TLS. */
  readonly certificates: Certificates | undefined;
  /** Somebody was refused, who came from a host. */
  readonly refused: (host: string, error: OctavoError) => void;
}

/** Takes the posts of publishers. */
export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #parts: ReceiverParts;
  readonly #app: FastifyInstance;
  readonly #secure: SecureServers | undefined;
  /** Posts that have begun to arrive and are not answered. */
  #taken = 0;

  private constructor(
    app: FastifyInstance,
    options: ReceiverOptions,
    parts: ReceiverParts,
    secure: SecureServers | undefined,
  ) {
    this.#app = app;
    this.#secure = secure;
    this.#options = options;
    this.#parts = parts;
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
    const { certificates } = parts;
    if (certificates !== undefined)
      app.addHook('onRequest', async ({ raw, ip }, reply) => {
        // Whatever comes in came by TLS.
        const client = clientOf(raw.socket as TLSSocket, certificates.policy);
        if (!(client instanceof OctavoError)) return undefined;
        parts.refused(ip, client);
        return reply.code(401).send(refusal(401, client.message));
      });
    app.addHook('onRequest', async (_, reply) => this.#admit(reply));
    app.all('/', (request, reply) => parts.inHand.run(() => this.#take(request, reply)));
  }

  /** Listens. Rejects with `unavailable`, naming the address, when it cannot. */
  static async open(address: string, options: ReceiverOptions, parts: ReceiverParts): Promise<Receiver> {
    const { host, port } = parseAddress(address);
    const { fastify } = await import('fastify');
    const { maxBodyBytes, timeoutMs, maxConnections } = options;
    const { certificates } = parts;
    const secure =
      certificates && (await SecureServers.make({ certificates, timeoutMs, refused: parts.refused }));
    const app = fastify({
      bodyLimit: maxBodyBytes,
      requestTimeout: timeoutMs,
      forceCloseConnections: true,
      http: httpTimeouts(timeoutMs),
      // To fastify a server with TLS is one like any other, whatever its types say.
      ...(secure && { serverFactory: (take: RequestListener) => secure.serve(take) as unknown as Server }),
    });
    app.server.maxConnections = maxConnections;
    const receiver = new Receiver(app, options, parts, secure);
    try {
      await app.listen({ host: host === '' ? '0.0.0.0' : host, port });
    } catch (cause) {
      await app.close();
      throw new OctavoError(
        'unavailable',
        `the http broker cannot listen on ${address}: ${(cause as Error).message}`,
        { cause },
      );
    }
    return receiver;
  }

  /** Where it listens. */
  get bound(): string {
    // A TCP server that listens has an address with a port.
    const { address, port } = this.#app.server.address() as AddressInfo;
    return formatAddress(address, port);
  }

  /** Closes, and cuts every connection. */
  async close(): Promise<void> {
    const closed = this.#app.close();
    this.#secure?.cut();
    await closed;
  }

  /** Refuses, before its body is read, what would be too much at once. */
  async #admit(reply: FastifyReply): Promise<FastifyReply | undefined> {
    const { maxEvents } = this.#options;
    if (this.#taken >= maxEvents)
      return reply.code(429).send(refusal(429, `${maxEvents} events are in hand (maxEvents)`));
    this.#taken++;
    reply.raw.once('close', () => this.#taken--);
    return undefined;
  }

  /** Runs the handler of a subscription. Who posted learns nothing of how it went, as in go-micro. */
  async #take(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    if (request.method !== 'POST') return reply.code(405).send(refusal(400, 'Method not allowed'));
    // Fastify's parser above gives a buffer, and none where there is no body.
    const body = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
    const message = readPost(body, this.#options);
    if ('status' in message) return reply.code(message.status).send(refusal(message.status, message.detail));
    const { id = '' } = request.query as { id?: string };
    const subscription = this.#parts.find(id);
    // go-micro answers 200, and its publishers look at no status. With this one, an event of a queue goes to another member.
    if (subscription === undefined) return reply.code(404).send(refusal(404, 'Subscription not found'));
    await subscription.deliver(message);
    return reply.code(200).send();
  }
}
