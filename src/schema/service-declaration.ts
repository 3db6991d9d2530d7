import { OctavoError } from '../core/error.js';
import { accessOf, checkAccess, type AccessFacts } from './access.js';
import type { MessageType } from './message-type.js';
import type { HttpRoute, Method, MethodOptions } from './method.js';

/** A class, whatever its constructor takes. */
export type ServiceClass<T = object> = abstract new (...args: never[]) => T;

/** What `@Service` says. */
export interface ServiceFacts {
  /** The name in the registry. @defaultValue the class's name in lower case */
  readonly name?: string;
  /** @defaultValue `'latest'`, go-micro's */
  readonly version?: string;
  /** The proto package. @defaultValue the name, with what is illegal there replaced by `_` */
  readonly package?: string;
  /** What stands before the dot in `Greeter.Hello`: give it when class names are minified. @defaultValue the class's name */
  readonly endpoint?: string;
  /** The limit of its unary calls that name none, in milliseconds; `0` is for ever. @defaultValue the client's and the server's own */
  readonly timeoutMs?: number;
  /** Added to the service's and its node's metadata in the registry. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What `@Handler` says of one method. */
export interface HandlerFacts {
  readonly property: string;
  readonly request: MessageType;
  readonly reply: MessageType;
  readonly options: MethodOptions;
}

/** What `@Http` says of one method. */
export interface HttpFacts extends HttpRoute {
  readonly property: string;
}

/** What `@Subscribe` says of one method. */
export interface SubscribeFacts<Options = unknown> {
  readonly property: string;
  readonly topic: string;
  readonly type: MessageType;
  readonly options: Options;
}

/** What `@Wrap` says: of the class where `property` is `undefined`, outermost first. */
export interface WrapFacts<Wrapper = unknown> {
  readonly property: string | undefined;
  readonly wrappers: readonly Wrapper[];
}

interface Facts {
  service?: ServiceFacts;
  /** The class whose endpoints this one implements. */
  contract?: ServiceClass;
  readonly handlers: HandlerFacts[];
  readonly routes: HttpFacts[];
  readonly subscriptions: SubscribeFacts[];
  readonly wraps: WrapFacts[];
  readonly accesses: AccessFacts[];
}

const declared = new WeakMap<ServiceClass, Facts>();

/** The facts that decorators recorded on exactly this class, to add to. */
export function factsOf(type: ServiceClass): Facts {
  let facts = declared.get(type);
  if (facts === undefined)
    declared.set(type, (facts = { handlers: [], routes: [], subscriptions: [], wraps: [], accesses: [] }));
  return facts;
}

/** A service class as all who use it know it: inherited and contract facts included. */
export interface ServiceDeclaration {
  readonly type: ServiceClass;
  readonly name: string;
  readonly version: string;
  readonly package: string;
  /** `Greeter`. */
  readonly endpoint: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** By name of endpoint, ascending. */
  readonly methods: readonly Method[];
  readonly subscriptions: readonly SubscribeFacts[];
  readonly wraps: readonly WrapFacts[];
  /** From the contract and the base class down. */
  readonly accesses: readonly AccessFacts[];
}

const resolved = new WeakMap<ServiceClass, ServiceDeclaration>();

/**
 * What is declared of a service class. Made once for each class.
 *
 * @throws `failed_precondition` naming the class and the remedy: no `@Service`, an endpoint or name that cannot go on the wire
 */
export function declarationOf(type: ServiceClass): ServiceDeclaration {
  let declaration = resolved.get(type);
  if (declaration === undefined) resolved.set(type, (declaration = resolve(type)));
  return declaration;
}

/** Whether `@Service` stands on this class or on one that it extends. */
export function isService(type: ServiceClass): boolean {
  return lineage(type).some((each) => declared.get(each)?.service !== undefined);
}

/** The wrappers of a class that is no service, such as a client: those of what it extends are outside of its own. */
export function wrapsOf(type: ServiceClass): readonly WrapFacts[] {
  return lineage(type)
    .reverse()
    .flatMap((each) => declared.get(each)?.wraps ?? []);
}

const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;
const PROTO_NAME = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/;
const ENDPOINT = /^[A-Za-z_]\w*$/;

function resolve(type: ServiceClass): ServiceDeclaration {
  // From the base class down, so that the nearest fact wins.
  const classes = lineage(type).reverse();
  const facts = classes.map((each) => declared.get(each)).filter((each) => each !== undefined);
  if (!facts.some(({ service }) => service !== undefined))
    throw new OctavoError('failed_precondition', `class ${type.name} is no service: put @Service() on it`);
  const contract = facts.map((each) => each.contract).findLast((each) => each !== undefined);
  const basis = contract === undefined ? undefined : declarationOf(contract);
  const service: ServiceFacts = Object.assign({}, ...facts.map((each) => each.service));
  const endpoint = service.endpoint ?? basis?.endpoint ?? type.name;
  const name = service.name ?? basis?.name ?? endpoint.toLowerCase();
  const pack = service.package ?? basis?.package ?? name.replaceAll(/[^\w.]/g, '_');
  const own = facts.flatMap((each) => each.accesses);
  const accesses = [...(basis?.accesses ?? []), ...own];
  const found = methods(type, { endpoint, package: pack }, facts, basis).map((method) => {
    const access = accessOf(accesses, method.property);
    return access === undefined ? method : { ...method, access };
  });
  const declaration = {
    type,
    name,
    version: service.version ?? basis?.version ?? 'latest',
    package: pack,
    endpoint,
    metadata: { ...basis?.metadata, ...service.metadata },
    methods: timed(found, service.timeoutMs),
    subscriptions: last(
      facts.flatMap((each) => each.subscriptions),
      ({ property, topic }) => `${property} ${topic}`,
    ),
    wraps: facts.flatMap((each) => each.wraps),
    accesses,
  };
  const { methods: all, subscriptions } = declaration;
  checkAccess(type.name, own, new Set([...all, ...subscriptions].map(({ property }) => property)));
  check(declaration);
  return declaration;
}

function methods(
  type: ServiceClass,
  { endpoint, package: pack }: Pick<ServiceDeclaration, 'endpoint' | 'package'>,
  facts: readonly Facts[],
  basis: ServiceDeclaration | undefined,
): readonly Method[] {
  const handlers = facts.flatMap((each) => each.handlers);
  const own = last(handlers, ({ property }) => property).map(
    ({ property, request, reply, options }): Method => ({
      property,
      endpoint: `${endpoint}.${property.charAt(0).toUpperCase()}${property.slice(1)}`,
      package: pack,
      kind: options.stream ?? 'unary',
      request,
      reply,
      options,
    }),
  );
  const inherited = (basis?.methods ?? []).filter(
    ({ property }) => !own.some((each) => each.property === property),
  );
  const all = routed(type, [...own, ...inherited], facts, basis);
  all.sort((a, b) => (a.endpoint < b.endpoint ? -1 : 1));
  for (const [at, method] of all.entries())
    if (all[at + 1]?.endpoint === method.endpoint)
      throw new OctavoError(
        'failed_precondition',
        `class ${type.name} has two methods for the endpoint ${method.endpoint}: rename ${method.property} or ${all[at + 1]?.property}`,
      );
  return all;
}

/** The methods with their REST routes: those of the nearest class that gives a method any. */
function routed(
  { name }: ServiceClass,
  all: readonly Method[],
  facts: readonly Facts[],
  basis: ServiceDeclaration | undefined,
): Method[] {
  const routes = new Map((basis?.methods ?? []).map(({ property, routes: given = [] }) => [property, given]));
  for (const each of facts)
    for (const property of new Set(each.routes.map((route) => route.property))) {
      if (!all.some((method) => method.property === property))
        throw new OctavoError(
          'failed_precondition',
          `class ${name}: @Http stands on ${property}, which is no endpoint: put @Handler on it`,
        );
      const given = each.routes.filter((route) => route.property === property);
      routes.set(
        property,
        given.map(({ verb, path }) => ({ verb, path })),
      );
    }
  return all.map((method) => {
    const given = routes.get(method.property) ?? [];
    return given.length === 0 ? method : { ...method, routes: given };
  });
}

/** Unary methods without a limit of their own get the service's. */
function timed(methods: readonly Method[], timeoutMs: number | undefined): readonly Method[] {
  if (timeoutMs === undefined) return methods;
  return methods.map((method) =>
    method.kind === 'unary' ? { ...method, options: { timeoutMs, ...method.options } } : method,
  );
}

function check({ type, name, version, package: pack, endpoint }: ServiceDeclaration): void {
  const refuse = (what: string, value: string, remedy: string): never => {
    throw new OctavoError('failed_precondition', `class ${type.name}: "${value}" is no ${what}: ${remedy}`);
  };
  if (!NAME.test(name))
    refuse('name of a service', name, 'use letters, digits, ".", "-" and "_", such as "greeter"');
  if (version === '')
    refuse('version', version, 'go-micro drops nodes without one: leave it out or give one');
  if (!PROTO_NAME.test(pack))
    refuse('proto package', pack, 'give @Service({ package }) one such as "my_shop"');
  if (!ENDPOINT.test(endpoint))
    refuse('name for endpoints', endpoint, 'give @Service({ endpoint }) one such as "Greeter"');
}

/** The class and those it extends, nearest first. */
function lineage(type: ServiceClass): ServiceClass[] {
  const classes: ServiceClass[] = [];
  for (
    let each: unknown = type;
    typeof each === 'function' && each !== Function.prototype;
    each = Object.getPrototypeOf(each)
  )
    // What a class extends is a class.
    classes.push(each as ServiceClass);
  return classes;
}

/** The last one of each key, in the order of the first ones. */
function last<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...new Map(items.map((item) => [key(item), item])).values()];
}
