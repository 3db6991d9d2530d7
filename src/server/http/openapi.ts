import { CODES } from '../../core/error.js';
import {
  fieldSchema,
  jsonSchemasOf,
  messageSchema,
  requiredOf,
  schemaRef,
} from '../../schema/json-schema.js';
import type { JsonObject, JsonValue } from '../../schema/json-value.js';
import type { Method } from '../../schema/method.js';
import { shapeOf } from '../../schema/resolve.js';
import type { FieldShape, MessageShape } from '../../schema/shape.js';
import { isTextual, type RestRoute } from './rest-route.js';
import { pathOf } from './routes.js';

/** What a document is of. */
export interface Described {
  readonly name: string;
  readonly version: string;
  readonly methods: readonly Method[];
  readonly routes: readonly RestRoute[];
}

const JSON_TYPE = 'application/json';
/** How deep the fields of messages inside messages are named as parameters. */
const DEEPEST = 3;

/** The OpenAPI 3.1 document of a service: each endpoint by its own path, and by its REST routes. Internal ones are left out. */
export function openApi({ name, version, methods, routes }: Described): JsonObject {
  const shown = methods.filter(({ options }) => options.internal !== true);
  const paths: Record<string, JsonObject> = {};
  for (const method of shown) paths[pathOf(method)] = endpointItem(method);
  const seen = new Map<string, number>();
  for (const route of routes.filter(({ method }) => shown.includes(method))) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    const count = (seen.get(route.method.endpoint) ?? 0) + 1;
    seen.set(route.method.endpoint, count);
    paths[path] = { ...paths[path], [route.verb.toLowerCase()]: restOperation(route, count) };
  }
  return {
    openapi: '3.1.0',
    info: { title: name, version },
    paths,
    components: {
      schemas: {
        ...jsonSchemasOf(shown.flatMap(({ request, reply }) => [request, reply])),
        'connect.Error': ERROR,
      },
      responses: {
        error: {
          description: 'An error. Its code says which; its details are messages.',
          content: { [JSON_TYPE]: { schema: { $ref: '#/components/schemas/connect.Error' } } },
        },
      },
      parameters: {
        timeout: {
          name: 'Connect-Timeout-Ms',
          in: 'header',
          description: 'For how long the caller waits, in milliseconds.',
          schema: { type: 'integer', minimum: 0 },
        },
      },
    },
  };
}

const ERROR: JsonObject = {
  type: 'object',
  properties: {
    code: {
      type: 'string',
      enum: Object.keys(CODES).map((code) => (code === 'cancelled' ? 'canceled' : code)),
    },
    message: { type: 'string' },
    details: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          type: { type: 'string', description: 'The full name of the message.' },
          value: { type: 'string', contentEncoding: 'base64' },
          debug: { description: 'The same as JSON.' },
        },
        required: ['type', 'value'],
      },
    },
  },
  required: ['code'],
};

const FAILS: JsonObject = { $ref: '#/components/responses/error' };
const TIMEOUT: JsonObject = { $ref: '#/components/parameters/timeout' };

/** An endpoint in the Connect protocol. */
function endpointItem(method: Method): JsonObject {
  const { package: pack, endpoint, kind, request, reply, options } = method;
  const common = { tags: [`${pack}.${endpoint.slice(0, endpoint.indexOf('.'))}`] };
  const id = `${pack}.${endpoint}`;
  const post = {
    ...common,
    operationId: id,
    ...(kind !== 'unary' && { description: STREAM }),
    parameters: [TIMEOUT],
    requestBody: { required: true, content: content(kind === 'unary', request) },
    responses: {
      200: { description: 'The reply.', content: content(kind === 'unary', reply) },
      default: FAILS,
    },
  };
  if (kind !== 'unary' || options.idempotent !== true) return { post };
  const get = {
    ...common,
    operationId: `${id}.get`,
    parameters: [TIMEOUT, ...query(request)],
    responses: post.responses,
  };
  return { get, post };
}

const STREAM =
  'A stream: the bodies are frames of the Connect protocol, each a byte of flags, four bytes of length, and a message as the schema has it.';

function content(unary: boolean, type: Method['request']): JsonObject {
  const schema = schemaRef(shapeOf(type));
  if (!unary) return { 'application/connect+json': { schema }, 'application/connect+proto': {} };
  return { [JSON_TYPE]: { schema }, 'application/proto': {} };
}

/** How an idempotent call says its request. */
function query(type: Method['request']): JsonObject[] {
  return [
    {
      name: 'message',
      in: 'query',
      required: true,
      content: { [JSON_TYPE]: { schema: schemaRef(shapeOf(type)) } },
    },
    { name: 'encoding', in: 'query', required: true, schema: { type: 'string', enum: ['json', 'proto'] } },
    { name: 'base64', in: 'query', schema: { type: 'string', enum: ['1'] } },
    { name: 'compression', in: 'query', schema: { type: 'string', enum: ['gzip', 'identity'] } },
    { name: 'connect', in: 'query', schema: { type: 'string', enum: ['v1'] } },
  ];
}

function restOperation({ method, verb, path, parameters, hasBody }: RestRoute, count: number): JsonObject {
  const shape = shapeOf(method.request);
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
  const inPath = parameters.map((field, at) => ({
    name: names[at] ?? field.property,
    in: 'path',
    required: true,
    schema: fieldSchema(shape, field),
  }));
  const rest = parameters.length === 0 ? schemaRef(shape) : messageSchema(shape, parameters);
  const body = { required: requiredOf(shape).size > 0, content: { [JSON_TYPE]: { schema: rest } } };
  return {
    tags: [`${method.package}.${method.endpoint.slice(0, method.endpoint.indexOf('.'))}`],
    operationId: `${method.package}.${method.endpoint}.${verb.toLowerCase()}${count}`,
    parameters: [...inPath, ...(hasBody ? [] : inQuery(shape, parameters))],
    ...(hasBody && { requestBody: body }),
    responses: { 200: replies(method), default: FAILS },
  };
}

/** The fields of a message that the query may name, those of messages inside it with dots. */
function inQuery(shape: MessageShape, without: readonly FieldShape[], before = '', depth = 1): JsonObject[] {
  const required = before === '' ? requiredOf(shape) : new Set<string>();
  return shape.fields
    .filter((field) => !without.includes(field))
    .flatMap((field): JsonObject[] => {
      const name = before + field.property;
      const schema = fieldSchema(shape, field);
      if (isTextual(field))
        return [{ name, in: 'query', ...(required.has(field.property) && { required: true }), schema }];
      if (field.label !== 'single' || field.value.kind !== 'message' || depth >= DEEPEST) return [];
      return inQuery(field.value.message, [], `${name}.`, depth + 1);
    });
}

function replies({ kind, reply }: Method): JsonObject {
  const schema = schemaRef(shapeOf(reply));
  if (kind === 'unary') return { description: 'The reply.', content: { [JSON_TYPE]: { schema } } };
  const error: JsonValue = { $ref: '#/components/schemas/connect.Error' };
  const line = { type: 'object', properties: { result: schema, error } };
  return {
    description: 'The items of a stream: one JSON object a line, or server-sent events.',
    content: {
      'application/x-ndjson': { schema: line },
      'text/event-stream': { schema: { type: 'string' } },
    },
  };
}
