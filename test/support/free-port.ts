import { once } from 'node:events';
import { createServer } from 'node:net';

/** TCP ports of 127.0.0.1 that nobody has, for servers that must be told theirs. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => {
    const at = server.address();
    if (at === null || typeof at === 'string') throw new Error('a server that listens has a port');
    return at.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
