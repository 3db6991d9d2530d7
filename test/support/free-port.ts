import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Where no system takes the ports of outgoing connections from (Linux from 32768 up, others from 49152). A port of those may be had by
 * somebody's connection before its server has come up, and who asks for the server may be answered by his own socket.
 */
const [FIRST, END] = [10_000, 32_000];
const given = new Set<number>();

/** Ports of 127.0.0.1 that nobody listens on, for servers that must be told theirs; none is given twice. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = randomInt(FIRST, END);
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  return true;
}
