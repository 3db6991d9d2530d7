import type { Call } from './wrapper.js';

/** By what calls are told apart. */
export type NamedBy =
  'all' | 'service' | 'endpoint' | 'node' | 'peer' | 'principal' | ((call: Call) => string);

/** What a call is counted under. */
export function nameOf(call: Call, by: NamedBy): string {
  if (typeof by === 'function') return by(call);
  const { service, endpoint, context } = call;
  if (by === 'all') return '';
  if (by === 'service') return service;
  if (by === 'endpoint') return `${service} ${endpoint}`;
  if (by === 'node') return `${service} ${call.peer?.address ?? context.peer.address}`;
  const caller = hostOf(call.peer?.address ?? context.peer.address);
  if (by === 'peer') return caller;
  return context.principal === undefined ? `anonymous ${caller}` : `principal ${context.principal.subject}`;
}

/** An address without its port, which a caller has many of. */
function hostOf(address: string): string {
  return address.replace(/:\d+$/, '');
}
