import type { ClientRequest, IncomingMessage } from 'node:http';
import type { HttpAddress } from './http-address.js';
import type { Silence } from './silence.js';

export function answered(
  sent: ClientRequest,
  bytes: Buffer | undefined,
  silence: Silence,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    silence.onEnd(() => sent.destroy());
    sent.once('response', resolve);
    // More may come after the first.
    sent.on('error', reject);
    sent.once('close', () => reject(new Error('the connection was closed')));
    sent.end(bytes);
  });
}

export function written(body: unknown): { type?: string; bytes?: Buffer } {
  if (body === undefined) return {};
  if (body instanceof URLSearchParams)
    return { type: 'application/x-www-form-urlencoded', bytes: Buffer.from(body.toString()) };
  if (typeof body === 'string') return { bytes: Buffer.from(body) };
  return { type: 'application/json', bytes: Buffer.from(JSON.stringify(body)) };
}

export function basic({ user, pass = '' }: HttpAddress): Readonly<Record<string, string>> {
  if (user === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${user}:${pass}`).toString('base64')}` };
}
