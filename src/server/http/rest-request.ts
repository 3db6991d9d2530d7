import { invalidArgument, OctavoError } from '../../core/error.js';
import { parseJson, TYPED_LEVELS } from '../../schema/json-text.js';
import { shapeOf } from '../../schema/resolve.js';
import { schemaOf } from '../../schema/schema.js';
import type { FieldShape, MessageShape, ValueShape } from '../../schema/shape.js';
import { fieldNamed, isTextual, type RestRoute } from './rest-route.js';

/** What a request to a REST route says. */
export interface RestInput {
  /** By the names that the route's path gives them. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Uint8Array | undefined;
}

type JsonMembers = Record<string, unknown>;

/**
 * The request message of a call that came by a REST route, held to its rules.
 *
 * Throws `invalid_argument` that names the parameter, or the field of the body. Parameters of the query that name no field are skipped, as
 * unknown members of JSON are.
 */
export function readRest(route: RestRoute, { path, query, body }: RestInput): unknown {
  const shape = shapeOf(route.method.request);
  const members = route.hasBody && body !== undefined && body.length > 0 ? bodyOf(body) : nothing();
  /** Which parameter gave a field, by the field's path. */
  const given = new Map<string, string>();
  if (!route.hasBody)
    for (const [name, text] of Object.entries(query)) {
      const place = placeOf(shape, name.split('.'));
      if (place !== undefined) put(members, place, [text].flat(), `the query parameter "${name}"`, given);
    }
  for (const field of route.parameters) {
    const name = path[field.property] === undefined ? field.protoName : field.property;
    delete members[field.protoName];
    delete members[field.property];
    put(members, [field], [path[name] ?? ''], `the path parameter "${name}"`, given);
  }
  const schema = schemaOf(route.method.request);
  const request = naming(given, () => schema.fromJson(members));
  schema.validate(request);
  return request;
}

/** Without what objects inherit, which a field may be named like. */
function nothing(): JsonMembers {
  return Object.create(null) as JsonMembers;
}

function bodyOf(body: Uint8Array): JsonMembers {
  const json = parseJson(body, TYPED_LEVELS);
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as JsonMembers;
  throw invalidArgument('the body is no JSON object');
}

/** The fields that lead to the one that a name with dots means; `undefined` where there is none. */
function placeOf(shape: MessageShape, [name = '', ...rest]: readonly string[]): FieldShape[] | undefined {
  const field = fieldNamed(shape, name);
  if (field === undefined) return undefined;
  if (rest.length === 0) return [field];
  if (field.label !== 'single' || field.value.kind !== 'message') return undefined;
  const inner = placeOf(field.value.message, rest);
  return inner && [field, ...inner];
}

/** Puts what a parameter says where it belongs. */
function put(
  members: JsonMembers,
  place: readonly FieldShape[],
  texts: readonly string[],
  what: string,
  given: Map<string, string>,
): void {
  const outer = place.slice(0, -1);
  const field = place.at(-1);
  if (field === undefined) return;
  const where = place.map(({ property }) => property).join('.');
  if (!isTextual(field))
    throw wrong(
      what,
      where,
      'it is a map or a message, which no parameter says: name a field of it, with a dot',
    );
  if (given.has(where) || (field.label === 'single' && texts.length > 1))
    throw wrong(what, where, 'it is there twice');
  given.set(where, what);
  const holder = outer.reduce((at, { property }) => (at[property] ??= nothing()) as JsonMembers, members); // made here
  try {
    const values = texts.map((text) => jsonOf(text, field.value));
    holder[field.property] = field.label === 'repeated' ? values : values[0];
  } catch (reason) {
    throw wrong(what, where, OctavoError.from(reason).message);
  }
}

/** A text as the JSON that a field is read from. ProtoJSON takes numbers and everything else as text. */
function jsonOf(text: string, value: ValueShape): unknown {
  if ('name' in value && /^(?:bool|google\.protobuf\.BoolValue)$/.test(value.name)) {
    if (text === 'true' || text === 'false') return text === 'true';
    throw invalidArgument(`expected true or false, got ${JSON.stringify(text.slice(0, 40))}`);
  }
  return value.kind === 'enum' && /^-?\d+$/.test(text) ? Number(text) : text;
}

/** Says of an error which parameter it is of, where a parameter gave the field. */
function naming<T>(given: ReadonlyMap<string, string>, read: () => T): T {
  try {
    return read();
  } catch (reason) {
    const [violation] = reason instanceof OctavoError ? reason.violations : [];
    const what = violation && given.get(violation.field.replace(/\[\d+\]$/, ''));
    if (violation === undefined || what === undefined) throw reason;
    throw wrong(what, violation.field, violation.description);
  }
}

function wrong(what: string, field: string, description: string): OctavoError {
  return invalidArgument(`${what}: ${description}`, [{ field, description }]);
}
