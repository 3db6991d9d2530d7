import { createServer, type TlsOptions as NodeOptions } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { issue, type Issued, type IssueOptions, type Issuer } from '../../../src/core/x509.js';

// Who is who where TLS is checked: certificates that are good, and such as are wrong in one way each.

const DAY_MS = 24 * 60 * 60 * 1_000;
const LOCAL: readonly string[] = ['DNS:localhost', 'IP:127.0.0.1'];

/** An authority of this name. */
export function newAuthority(name = 'an authority'): Issuer {
  return { name, ...issue({ name, authority: true, ...days(-1, 100) }) };
}

/** From so many days from now on until so many. */
export function days(from: number, to: number): Pick<IssueOptions, 'from' | 'to'> {
  const now = Date.now();
  return { from: new Date(now + from * DAY_MS), to: new Date(now + to * DAY_MS) };
}

/** A certificate of an authority, for this machine unless told otherwise. */
export function identity(by: Issuer, name: string, more: Partial<IssueOptions> = {}): Issued {
  return issue({ name, san: LOCAL, by, ...days(-1, 100), ...more });
}

/** A certificate that is its own authority. */
export function selfSigned(): Issued {
  return issue({ name: 'itself', san: LOCAL, ...days(-1, 100) });
}

/** What is wrong with the certificate of one end, by how the other says so. */
export interface Fault {
  readonly what: string;
  readonly identity: (authority: Issuer) => Issued;
  readonly says: RegExp;
}

/** What makes any certificate unfit. */
export const FAULTS: readonly Fault[] = [
  { what: 'has expired', identity: (by) => identity(by, 'old', days(-20, -10)), says: /expired/i },
  {
    what: 'is not valid yet',
    identity: (by) => identity(by, 'young', days(10, 20)),
    says: /not (?:yet valid|valid yet)|NOT_YET_VALID/i,
  },
  { what: 'is self-signed', identity: () => selfSigned(), says: /self.signed/i },
  {
    what: 'is of an authority that is not known',
    identity: () => identity(newAuthority('somebody else'), 'unknown'),
    says: /signed by nobody|unknown (?:authority|ca)|UNABLE_TO_(?:VERIFY|GET)/i,
  },
];

/** What makes a certificate unfit for who listens, too. */
export const SERVER_FAULTS: readonly Fault[] = [
  ...FAULTS,
  {
    what: 'is for another host',
    identity: (by) => identity(by, 'elsewhere', { san: ['DNS:elsewhere.example'] }),
    says: /somebody else|does not match|altname/i,
  },
];

/** Listens as TLS alone has it, with a certificate that no server of ours would start with. */
export async function tlsServer(options: NodeOptions): Promise<{ address: string; close(): void }> {
  const open = new Set<{ destroy(): unknown }>();
  const server = createServer(options, () => {});
  server.on('connection', (socket) => open.add(socket));
  // What is refused at the other end is that end's business.
  server.on('tlsClientError', () => {});
  // Who accepts what it should not has nobody to talk to.
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {});
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // What listens on TCP has an address with a port.
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    close() {
      server.close();
      for (const each of open) each.destroy();
    },
  };
}
