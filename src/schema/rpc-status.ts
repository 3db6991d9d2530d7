import { CODES, FIELD_VIOLATIONS, OctavoError, RETRY_AFTER } from '../core/error.js';
import type { Code, ErrorDetail, ErrorOptions, FieldViolation } from '../core/error.js';
import { codeOf } from '../core/grpc-status.js';
import { Any, packedName } from './any.js';
import { declareField, declareMessage } from './declaration.js';
import { Duration } from './duration.js';
import type { FieldType } from './field-type.js';
import type { JsonObject, JsonValue } from './json-value.js';
import type { MessageType } from './message-type.js';
import { schemaOf } from './schema.js';

/** google.rpc.Status: how gRPC carries an error's details. Source: googleapis `google/rpc/status.proto` and `error_details.proto`. */
class Status {
  code = 0;
  message = '';
  details: Any[] = [];
}

class Violation {
  field = '';
  description = '';
}

class BadRequest {
  fieldViolations: Violation[] = [];
}

class RetryInfo {
  retryDelay: Duration | undefined;
}

class ErrorInfo {
  reason = '';
  domain = '';
  metadata = new Map<string, string>();
}

declare(Status, 'google.rpc.Status', { code: 'int32', message: 'string', details: [Any] });
// Its own name is BadRequest.FieldViolation, which travels nowhere.
declare(Violation, 'google.rpc.FieldViolation', { field: 'string', description: 'string' });
declare(BadRequest, 'google.rpc.BadRequest', { fieldViolations: [Violation] });
declare(RetryInfo, 'google.rpc.RetryInfo', { retryDelay: 'google.protobuf.Duration' });
declare(ErrorInfo, 'google.rpc.ErrorInfo', { reason: 'string', domain: 'string' });
declareField(ErrorInfo.prototype, {
  property: 'metadata',
  id: 3,
  label: 'map',
  key: 'string',
  type: 'string',
  optional: false,
});

/** The `domain` of an ErrorInfo that says what is Octavo's own: whether a request was executed, may be sent again, and who says so. */
const DOMAIN = 'octavo';

/**
 * An error as the bytes of `grpc-status-details-bin`; `undefined` where code and message say all.
 *
 * Field violations go as BadRequest, when to try again as RetryInfo, `executed`, `retryable` and `id` as ErrorInfo, any other detail as
 * Struct. Details over `limit` bytes stay home.
 */
export function writeStatus(error: OctavoError, limit: number): Uint8Array | undefined {
  for (const tried of [packDetails(error), infoOf(error)]) {
    if (tried.length === 0) continue;
    const { code, message } = error;
    const bytes = schemaOf(Status).encode({ code: CODES[code].grpc, message, details: tried });
    if (bytes.length <= limit) return bytes;
  }
  return undefined;
}

/** The error in the bytes of `grpc-status-details-bin`. Throws `invalid_argument` for bytes that are none. */
export function readStatus(bytes: Uint8Array): OctavoError {
  const { code, message, details } = schemaOf(Status).decode(bytes);
  return unpackDetails(codeOf(code), message, details);
}

/** All of an error but its code and message, as the messages that {@link writeStatus} has in it. */
export function packDetails(error: OctavoError): Any[] {
  return [...infoOf(error), ...error.details.flatMap((detail) => pack(detail) ?? [])];
}

/** The error that {@link packDetails}, or another server, packed. Throws `invalid_argument` for bytes that are wrong. */
export function unpackDetails(code: Code, message: string, details: readonly Any[]): OctavoError {
  const read = details.filter((any) => !isInfo(any)).map(unpack);
  const info = details.filter(isInfo).map((any) => any.unpack(ErrorInfo))[0];
  return new OctavoError(code, message, { details: read, ...(info && optionsOf(info)) });
}

/** The ProtoJSON of one that {@link packDetails} packed. */
export function detailJson(any: Any): JsonValue {
  for (const type of [BadRequest, RetryInfo, ErrorInfo])
    if (any.is(type)) return schemaOf<object>(type).toJson(any.unpack(type));
  return any.unpack('google.protobuf.Struct');
}

/** Whether it says what is Octavo's own. */
function isInfo(any: Any): boolean {
  return any.is(ErrorInfo) && any.unpack(ErrorInfo).domain === DOMAIN;
}

function infoOf({ code, executed, retryable, id }: OctavoError): Any[] {
  const metadata = new Map<string, string>();
  if (executed === false) metadata.set('executed', 'false');
  if (retryable !== CODES[code].retryable) metadata.set('retryable', String(retryable));
  if (id !== undefined) metadata.set('id', id);
  return metadata.size === 0
    ? []
    : [Any.pack({ reason: code.toUpperCase(), domain: DOMAIN, metadata }, ErrorInfo)];
}

function optionsOf({ metadata }: ErrorInfo): ErrorOptions {
  const [retryable, id] = [metadata.get('retryable'), metadata.get('id')];
  return {
    ...(metadata.get('executed') === 'false' && { executed: false }),
    ...(retryable !== undefined && { retryable: retryable === 'true' }),
    ...(id !== undefined && { id }),
  };
}

/** A detail that is no JSON, or fits no type, cannot travel; the error must. */
function pack(detail: ErrorDetail): Any | undefined {
  try {
    if (detail.type === FIELD_VIOLATIONS)
      // Encoding looks at what they are.
      return Any.pack({ fieldViolations: detail['fields'] as Violation[] }, BadRequest);
    if (detail.type === RETRY_AFTER)
      return Any.pack({ retryDelay: Duration.ofMs(detail['ms'] as number) }, RetryInfo);
    const text = JSON.stringify(detail, (_, member: unknown) =>
      typeof member === 'bigint' ? String(member) : member,
    );
    // An object became an object.
    return Any.pack(JSON.parse(text) as JsonObject, 'google.protobuf.Struct');
  } catch {
    return undefined;
  }
}

/** Details of foreign types are kept as their bytes. */
function unpack(any: Any): ErrorDetail {
  if (any.is(BadRequest)) {
    const { fieldViolations } = any.unpack(BadRequest);
    const fields = fieldViolations.map(({ field, description }): FieldViolation => ({ field, description }));
    return { type: FIELD_VIOLATIONS, fields };
  }
  if (any.is(RetryInfo)) return { type: RETRY_AFTER, ms: any.unpack(RetryInfo).retryDelay?.toMs() ?? 0 };
  const type = packedName(any.typeUrl);
  if (!any.is('google.protobuf.Struct')) return { type, value: any.value };
  const detail = any.unpack('google.protobuf.Struct');
  return { ...detail, type: typeof detail['type'] === 'string' ? detail['type'] : type };
}

/** Declares a message whose fields have the ids 1, 2, 3 in the order given; one in brackets is repeated. */
function declare(
  type: MessageType,
  name: string,
  fields: Readonly<Record<string, FieldType | readonly [FieldType]>>,
): void {
  declareMessage(type, name, []);
  for (const [at, [property, of]] of Object.entries(fields).entries()) {
    const repeated = Array.isArray(of);
    declareField(type.prototype as object, {
      property,
      id: at + 1,
      label: repeated ? 'repeated' : 'single',
      // What is no array is the type itself.
      type: (repeated ? of[0] : of) as FieldType,
      optional: false,
    });
  }
}
