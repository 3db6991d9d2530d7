import type { Metadata } from '../../core/metadata.js';
import * as mucp from '../../core/mucp.js';

/** What the header of a request says to a server. */
export class Head {
  service: string | undefined = undefined;
  endpoint: string | undefined = undefined;
  method: string | undefined = undefined;
  contentType: string | undefined = undefined;
  stream: string | undefined = undefined;
  topic: string | undefined = undefined;
  error: string | undefined = undefined;
  timeout: string | undefined = undefined;
  accept: string | undefined = undefined;
  octavo: string | undefined = undefined;
}

/** Where each name goes, as it is mostly spelled. */
const FIELDS: ReadonlyMap<string, keyof Head> = new Map<string, keyof Head>([
  [mucp.SERVICE, 'service'],
  [mucp.ENDPOINT, 'endpoint'],
  [mucp.METHOD, 'method'],
  [mucp.CONTENT_TYPE, 'contentType'],
  [mucp.STREAM, 'stream'],
  [mucp.TOPIC, 'topic'],
  [mucp.ERROR, 'error'],
  [mucp.TIMEOUT, 'timeout'],
  [mucp.ACCEPT, 'accept'],
  [mucp.OCTAVO, 'octavo'],
]);
/** Those that version 1 of go-micro put an `X-` before. */
const MICRO: ReadonlySet<string> = new Set([mucp.SERVICE, mucp.ENDPOINT, mucp.METHOD]);
/** All of them in small letters. */
const NAMES: ReadonlySet<string> = new Set(
  [...FIELDS.keys(), ...[...MICRO].map((name) => `X-${name}`)].map((name) => name.toLowerCase()),
);

/** Reads a header in one go, where each lookup would go through all of it. */
export function readHead(header: Metadata): Head {
  const { pairs } = header;
  const head = new Head();
  for (let at = 0; at < pairs.length; at += 2) {
    const name = pairs[at] ?? '';
    const value = pairs[at + 1];
    switch (name) {
      case mucp.SERVICE:
        if (head.service !== undefined) return lookUp(header);
        head.service = value;
        break;
      case mucp.ENDPOINT:
        if (head.endpoint !== undefined) return lookUp(header);
        head.endpoint = value;
        break;
      case mucp.METHOD:
        if (head.method !== undefined) return lookUp(header);
        head.method = value;
        break;
      case mucp.CONTENT_TYPE:
        if (head.contentType !== undefined) return lookUp(header);
        head.contentType = value;
        break;
      case mucp.TIMEOUT:
        if (head.timeout !== undefined) return lookUp(header);
        head.timeout = value;
        break;
      case mucp.OCTAVO:
        if (head.octavo !== undefined) return lookUp(header);
        head.octavo = value;
        break;
      case mucp.ID:
        break;
      default:
        if (NAMES.has(name.toLowerCase())) return lookUp(header);
    }
  }
  return head;
}

/** Whatever is spelled in another way, or there twice. */
function lookUp(header: Metadata): Head {
  const head = new Head();
  for (const [name, field] of FIELDS)
    head[field] = MICRO.has(name) ? mucp.readMicro(header, name) : header.get(name);
  return head;
}

/** The head of each call in a batch: which endpoint it is for says its envelope. */
export function withoutEndpoint(head: Head): Head {
  return Object.assign(new Head(), head, { endpoint: undefined, method: undefined, stream: undefined });
}

/** Whether a head says whom the call is for. */
export function isAddressed({ service, endpoint, method }: Head): boolean {
  return service !== undefined || endpoint !== undefined || method !== undefined;
}
