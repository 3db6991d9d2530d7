import { OctavoError } from './error.js';

/** Where a RabbitMQ server is, and what its address says of us. */
export interface RabbitAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly user?: string;
  readonly pass?: string;
  readonly vhost?: string;
}

const FORM = /^(?:(amqps?):\/\/)?(?:([^@/]*)@)?(\[[^\]\s]+\]|[^:@/\s[\]]+)(?::(\d{1,5}))?(?:\/([^/\s]*))?$/;

/**
 * Reads `host`, `host:port`, `amqp://user:pass@host:port/vhost` and `amqps://...`. No error shows what stands before the `@`.
 *
 * The vhost `/` is written `/%2F`, or left out.
 */
export function parseRabbitAddress(address: string): RabbitAddress {
  const [whole, scheme, who, host = '', port, vhost] = FORM.exec(address.trim()) ?? [];
  try {
    if (whole === undefined) throw new Error('another form');
    const tls = scheme === 'amqps';
    const [user, pass] = who === undefined ? [] : who.split(/:(.*)/s);
    return {
      host: host.replace(/^\[(.*)\]$/, '$1'),
      port: port === undefined ? (tls ? 5671 : 5672) : Number(port),
      tls,
      ...(user !== undefined && user !== '' && { user: decodeURIComponent(user) }),
      ...(pass !== undefined && { pass: decodeURIComponent(pass) }),
      ...(vhost !== undefined && vhost !== '' && { vhost: decodeURIComponent(vhost) }),
    };
  } catch {
    throw new OctavoError(
      'invalid_argument',
      `"${address.replace(/^.*@/s, '')}" is no address of a RabbitMQ server: write host:port, or amqp://host:port/vhost`,
    );
  }
}

/** As it is written in logs and errors. */
export function shownAddress({ host, port }: RabbitAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
