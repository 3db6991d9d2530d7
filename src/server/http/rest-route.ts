import { OctavoError } from '../../core/error.js';
import type { HttpRoute, HttpVerb, Method } from '../../schema/method.js';
import { shapeOf } from '../../schema/resolve.js';
import type { FieldShape, MessageShape } from '../../schema/shape.js';

/** A REST route of an endpoint, checked. */
export interface RestRoute extends HttpRoute {
  readonly method: Method;
  /** The fields that the path names, in its order. */
  readonly parameters: readonly FieldShape[];
  /** Whether what the path does not name is in the body, and not in the query. */
  readonly hasBody: boolean;
}

const WITHOUT_BODY: ReadonlySet<HttpVerb> = new Set(['GET', 'DELETE']);
const LITERAL = /^[A-Za-z0-9._~@-]+$/;
const PARAMETER = /^:([A-Za-z_]\w*)$/;

/**
 * The REST routes of some endpoints.
 *
 * @throws `failed_precondition` naming method, route and remedy: a path that is none, a parameter that is no field or not one that fits into
 * a path, a stream of requests, two routes that would both be meant by one request
 */
export function restRoutes(methods: readonly Method[]): readonly RestRoute[] {
  const routes = methods.flatMap((method) => (method.routes ?? []).map((route) => restRoute(method, route)));
  const owners = new Map<string, RestRoute>();
  for (const route of routes) {
    const key = `${route.verb} ${route.path.replaceAll(/:\w+/g, ':')}`;
    const owner = owners.get(key);
    if (owner !== undefined)
      throw unfit(
        route.method,
        route,
        `${owner.method.endpoint} has ${owner.verb} ${owner.path}, which is the same to a request: change one`,
      );
    owners.set(key, route);
  }
  return routes;
}

/** The field of a message that a parameter names, by either of its names. */
export function fieldNamed({ fields }: MessageShape, name: string): FieldShape | undefined {
  return (
    fields.find(({ property }) => property === name) ?? fields.find(({ protoName }) => protoName === name)
  );
}

/** Whether a text can say the value of a field, or of one of its items. */
export function isTextual({ label, value }: FieldShape): boolean {
  if (label === 'map' || value.kind === 'message' || value.kind === 'null') return false;
  return value.kind !== 'wellKnown' || !/\.(?:Struct|Value|ListValue)$/.test(value.name);
}

function restRoute(method: Method, { verb, path }: HttpRoute): RestRoute {
  const refuse = (why: string): OctavoError => unfit(method, { verb, path }, why);
  if (method.kind === 'client' || method.kind === 'bidi')
    throw refuse('its requests are a stream, which no REST route carries: take @Http away');
  if (!path.startsWith('/')) throw refuse('a path begins with "/"');
  const shape = shapeOf(method.request);
  const segments = path === '/' ? [] : path.slice(1).split('/');
  const parameters = segments.flatMap((segment) => {
    const name = PARAMETER.exec(segment)?.[1];
    if (name === undefined) {
      if (LITERAL.test(segment)) return [];
      throw refuse(
        `"${segment}" is no part of a path: write letters, digits and ".", "_", "~", "@", "-", or :field`,
      );
    }
    const field = fieldNamed(shape, name);
    const names = shape.fields.map(({ property }) => property).join(', ');
    if (field === undefined)
      throw refuse(`:${name} is no field of ${shape.name}: there are ${names || 'none'}`);
    if (field.label !== 'single' || !isTextual(field))
      throw refuse(
        `:${name} is a list, a map or a message of ${shape.name}, which no path can say: use the body`,
      );
    return [field];
  });
  if (new Set(parameters).size < parameters.length) throw refuse('it names a field twice');
  return { method, verb, path, parameters, hasBody: !WITHOUT_BODY.has(verb) };
}

function unfit({ endpoint }: Method, { verb, path }: HttpRoute, why: string): OctavoError {
  return new OctavoError('failed_precondition', `@Http('${verb}', '${path}') of ${endpoint}: ${why}`);
}
