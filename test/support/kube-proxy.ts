import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { request } from 'node:https';
import type { KubeServer } from './kube-server.js';

/** What `kubectl proxy` is: the API server by plain HTTP on this machine, for whoever is let in by a token that it has. */
export class KubeProxy {
  readonly address: string;
  readonly #server: Server;

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
  }

  static async start(kube: KubeServer): Promise<KubeProxy> {
    const ca = readFileSync(kube.ca);
    const server = createServer((asked, answer) => {
      const { host: _, ...rest } = asked.headers;
      const headers = { ...rest, authorization: `Bearer ${kube.adminToken}` };
      const sent = request(`${kube.address}${asked.url}`, { method: asked.method, headers, ca }, (got) => {
        answer.writeHead(got.statusCode ?? 502, got.headers);
        // A watch is told of its head before there is anything to tell.
        answer.flushHeaders();
        got.pipe(answer);
      });
      sent.on('error', () => answer.destroy());
      answer.on('close', () => sent.destroy());
      asked.pipe(sent);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const at = server.address();
    if (at === null || typeof at === 'string') throw new Error('a server that listens has a port');
    return new KubeProxy(server, `127.0.0.1:${at.port}`);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
