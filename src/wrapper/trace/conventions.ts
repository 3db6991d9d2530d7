import type * as Api from '@opentelemetry/api';
import { parseAddress } from '../../core/address.js';
import { EventContext } from '../../core/context.js';
import { CODES, type Code } from '../../core/error.js';
import type { Method } from '../../schema/method.js';
import type { Call, Place } from '../wrapper.js';

// Names and values of OpenTelemetry's semantic conventions 1.45.0: "RPC spans" (stable) and "Messaging spans" (in development). What they
// have no name for is under `octavo.`.

/** Where a wrapper stands that sees this call. */
export function placeOf({ side, kind, attempt }: Call): Place['around'] {
  if (side === 'server') return kind === 'event' ? 'subscriber' : 'handler';
  if (kind === 'event') return 'publish';
  return attempt === undefined ? 'call' : 'attempt';
}

const KINDS = {
  call: 'CLIENT',
  attempt: 'CLIENT',
  publish: 'PRODUCER',
  handler: 'SERVER',
  subscriber: 'CONSUMER',
} as const satisfies Record<Place['around'], keyof typeof Api.SpanKind>;

export function kindOf(place: Place['around'], api: typeof Api): Api.SpanKind {
  return api.SpanKind[KINDS[place]];
}

/** What a span is called, and what samplers may decide by. */
export interface Description {
  readonly name: string;
  readonly attributes: Api.Attributes;
}

/** Describes calls, those of one method of a contract all alike. */
export class Descriptions {
  readonly #system: string;
  readonly #known = new Map<Place['around'], WeakMap<Method, Description>>();

  constructor(system: string) {
    this.#system = system;
  }

  of(call: Call, place: Place['around']): Description {
    const { method, service } = call;
    if (method === undefined) return describe(call, place, this.#system);
    let known = this.#known.get(place);
    if (known === undefined) this.#known.set(place, (known = new WeakMap()));
    const found = known.get(method);
    // One contract may be called under several names of services.
    if (found !== undefined && (place === 'handler' || found.attributes['service.peer.name'] === service))
      return found;
    const made = describe(call, place, this.#system);
    known.set(method, made);
    return made;
  }
}

function describe(call: Call, place: Place['around'], system: string): Description {
  if (place === 'publish' || place === 'subscriber') return describeEvent(call, place);
  const { endpoint, method, service } = call;
  const attributes: Api.Attributes = { 'rpc.system.name': system };
  const name = method && fullName(method.package, endpoint);
  // An endpoint that no contract names may be anything, and there is no end of names that are not known.
  attributes['rpc.method'] = name ?? '_OTHER';
  if (name === undefined) attributes['rpc.method_original'] = endpoint;
  if (place !== 'handler') attributes['service.peer.name'] = service;
  if (place === 'call') attributes['server.address'] = service;
  return { name: name ?? system, attributes };
}

function describeEvent(
  { endpoint, broker, subscriber, context }: Call,
  place: 'publish' | 'subscriber',
): Description {
  const [operation, type] = place === 'publish' ? ['publish', 'send'] : ['process', 'process'];
  const attributes: Api.Attributes = {
    'messaging.operation.name': operation,
    'messaging.operation.type': type,
    'messaging.destination.name': endpoint,
  };
  if (broker !== undefined) attributes['messaging.system.name'] = broker;
  if (subscriber !== undefined) attributes['messaging.destination.subscription.name'] = subscriber;
  if (context instanceof EventContext && context.id !== '') attributes['messaging.message.id'] = context.id;
  return { name: `${operation} ${endpoint}`, attributes };
}

/** `greeter.Greeter/Hello`. */
function fullName(pack: string, endpoint: string): string {
  const name = endpoint.replace('.', '/');
  return pack === '' ? name : `${pack}.${name}`;
}

/** What is known of a call beside that, for a span that is recorded. */
export function detailsOf(call: Call, place: Place['around']): Api.Attributes {
  const { kind, context, peer, attempt } = call;
  const details: Api.Attributes = {};
  if (kind !== 'unary' && kind !== 'event') details['octavo.stream'] = kind;
  if (place === 'attempt') Object.assign(details, addressed('server', peer?.address));
  if (place === 'handler') Object.assign(details, addressed('client', context.peer.address));
  if (place === 'attempt' && attempt !== undefined) details['octavo.attempt'] = attempt;
  if (place === 'subscriber') details['octavo.attempt'] = context.attempt;
  return details;
}

function addressed(end: 'server' | 'client', address = ''): Api.Attributes {
  if (address === '') return {};
  try {
    const { host, port } = parseAddress(address);
    return { [`${end}.address`]: host, [`${end}.port`]: port };
  } catch {
    // The address of a bus is a name.
    return { [`${end}.address`]: address };
  }
}

/** The codes that are the server's fault and not the caller's. Source: "gRPC", status of server spans. */
const FAULTS: ReadonlySet<Code> = new Set([
  'unknown',
  'deadline_exceeded',
  'unimplemented',
  'internal',
  'unavailable',
  'data_loss',
]);

/** Whether a span has failed that ended with this code. What is the caller's fault has not failed at the server. */
export function isFailure(code: Code, place: Place['around']): boolean {
  return place === 'handler' ? FAULTS.has(code) : true;
}

const STATUSES = Object.fromEntries(
  [...Object.keys(CODES), 'ok'].map((code) => [code, code.toUpperCase()]),
) as Record<Code | 'ok', string>; // each under its name

/** How a call ended, as gRPC spells it. */
export function outcomeOf(
  code: Code | 'ok',
  place: Place['around'],
): { readonly attributes: Api.Attributes; readonly failed: boolean } {
  const failed = code !== 'ok' && isFailure(code, place);
  const status = STATUSES[code];
  const attributes: Api.Attributes = {};
  if (place !== 'publish' && place !== 'subscriber') attributes['rpc.status_code'] = status;
  if (failed) attributes['error.type'] = status;
  return { attributes, failed };
}
