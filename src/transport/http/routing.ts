import type { HttpMessage } from '../../core/http-message.js';
import type { Metadata } from '../../core/metadata.js';

/**
 * What a request on the shared port is: a go-micro message, a plain call of an endpoint such as `curl` makes, or something for the web
 * server behind it.
 */
export type Route =
  | { readonly kind: 'micro'; readonly stream: string | undefined }
  | { readonly kind: 'plain'; readonly service: string; readonly endpoint: string }
  | { readonly kind: 'web' };

const PLAIN = /^\/((?:[A-Za-z_]\w*\.)*[A-Za-z_][\w-]*)\.([A-Za-z_]\w*)\/([A-Za-z_]\w*)$/;
const WEB: Route = { kind: 'web' };
const UNARY: Route = { kind: 'micro', stream: undefined };

/** Decides by go-micro's headers first, whatever the path, then by method and path. A `POST /` without them is go-micro's legacy form. */
export function route({ start, header }: Pick<HttpMessage, 'start' | 'header'>): Route {
  if (isMicro(header)) {
    const stream = header.get('Micro-Stream');
    return stream === undefined ? UNARY : { kind: 'micro', stream };
  }
  if (!start.startsWith('POST ')) return WEB;
  const path = pathOf(start.slice(5, start.lastIndexOf(' ')));
  if (path === '/') return UNARY;
  const match = PLAIN.exec(path);
  if (match === null) return WEB;
  const [, service = '', type = '', method = ''] = match;
  return { kind: 'plain', service, endpoint: `${type}.${method}` };
}

/** Without scheme and host, which proxies write: RFC 9112 section 3.2.2. */
function pathOf(target: string): string {
  return target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?]*/i, '') || '/';
}

function isMicro(header: Metadata): boolean {
  return (
    header.has('Micro-Service') ||
    header.has('Micro-Endpoint') ||
    header.has('Micro-Method') ||
    header.has('Micro-Topic') ||
    header.has('X-Micro-Service')
  );
}

/** The status of a response's start line. */
export function statusOf(start: string): number {
  return Number(start.slice(9, 12));
}
