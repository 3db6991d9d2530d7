import { unfit } from './fault.js';
import type { MessageType } from './message-type.js';
import type { StreamKind } from './method.js';
import { defaultJsonName, packageOf, simpleName } from './proto-name.js';
import { shapeOf } from './resolve.js';
import { isScalar } from './scalar.js';
import { reachable } from './shape.js';
import type { EnumShape, FieldShape, MessageShape, ValueShape } from './shape.js';

/** A service as `.proto` text shows it. */
export interface ProtoService {
  /** The full name: `greeter.Greeter`. */
  readonly name: string;
  readonly methods: readonly ProtoMethod[];
}

/** A method as `.proto` text shows it. */
export interface ProtoMethod {
  /** `Hello`. */
  readonly name: string;
  readonly request: MessageType;
  readonly reply: MessageType;
  readonly kind: StreamKind;
}

/** What one file declares: everything of one package. */
interface ProtoFile {
  readonly package: string;
  readonly messages: MessageShape[];
  readonly enums: Set<EnumShape>;
  readonly services: ProtoService[];
  readonly imports: Set<string>;
}

const GOOGLE = 'google.protobuf';

/**
 * The proto3 text of messages and services, with all that they refer to.
 *
 * They are of one package, Google's own types aside. Throws `failed_precondition` otherwise; `protoFiles` takes any number.
 */
export function protoText(types: readonly MessageType[], services: readonly ProtoService[] = []): string {
  const files = [...protoFiles(types, services)];
  const [[, text] = ['', 'syntax = "proto3";\n']] = files;
  if (files.length <= 1) return text;
  const paths = files.map(([path]) => path).join(', ');
  throw unfit(paths, 'these are several packages, and a file has one; use protoFiles()');
}

/**
 * The proto3 text of messages and services, with all that they refer to: one file for each package, by its path.
 *
 * Package `greeter.v1` is in `greeter/v1.proto`. Throws `failed_precondition` where packages refer to each other in a circle
 * or two enums of a package share a value's name, which proto forbids.
 */
export function protoFiles(
  types: readonly MessageType[],
  services: readonly ProtoService[] = [],
): ReadonlyMap<string, string> {
  const files = new Map<string, ProtoFile>();
  const ends = services.flatMap(({ methods }) => methods.flatMap(({ request, reply }) => [request, reply]));
  for (const message of reachable(...[...types, ...ends].map(shapeOf))) {
    if (packageOf(message.name) === GOOGLE) continue;
    const file = fileOf(files, packageOf(message.name));
    file.messages.push(message);
    for (const { value } of message.fields) {
      if (value.kind === 'enum') fileOf(files, packageOf(value.enum.name)).enums.add(value.enum);
      addImport(file, value);
    }
  }
  for (const service of services) {
    const file = fileOf(files, packageOf(service.name));
    file.services.push(service);
    for (const { request, reply } of service.methods)
      for (const message of [request, reply]) addImport(file, { kind: 'message', message: shapeOf(message) });
  }
  for (const file of files.values()) {
    checkCircle(file, files);
    checkEnumValues(file);
  }
  return new Map([...files.values()].map((file) => [pathOf(file.package), printFile(file)]));
}

function fileOf(files: Map<string, ProtoFile>, name: string): ProtoFile {
  const known = files.get(pathOf(name));
  if (known !== undefined) return known;
  const file: ProtoFile = { package: name, messages: [], enums: new Set(), services: [], imports: new Set() };
  files.set(pathOf(name), file);
  return file;
}

function pathOf(name: string): string {
  return `${name === '' ? 'messages' : name.replaceAll('.', '/')}.proto`;
}

function addImport(file: ProtoFile, value: ValueShape): void {
  const type = fullNameOf(value);
  const owner = packageOf(type);
  if (value.kind === 'scalar' || owner === file.package) return;
  file.imports.add(
    owner === GOOGLE ? `google/protobuf/${googleFile(simpleName(type))}.proto` : pathOf(owner),
  );
}

const STRUCT_TYPES = ['Struct', 'Value', 'ListValue', 'NullValue'];

function googleFile(type: string): string {
  if (STRUCT_TYPES.includes(type)) return 'struct';
  return type.endsWith('Value') ? 'wrappers' : type.toLowerCase();
}

function fullNameOf(value: ValueShape): string {
  switch (value.kind) {
    case 'message':
      return value.message.name;
    case 'enum':
      return value.enum.name;
    default:
      return value.name;
  }
}

function checkCircle(start: ProtoFile, files: ReadonlyMap<string, ProtoFile>): void {
  const seen = new Set(start.imports);
  for (const path of seen) {
    if (path === pathOf(start.package))
      throw unfit(
        path,
        'its package refers to others that refer back to it; move what they share into one package',
      );
    for (const next of files.get(path)?.imports ?? []) seen.add(next);
  }
}

function checkEnumValues({ enums }: ProtoFile): void {
  const owners = new Map<string, string>();
  for (const { name, numbers } of enums)
    for (const value of numbers.keys()) {
      const owner = owners.get(value);
      if (owner !== undefined)
        throw unfit(
          `${name}.${value}`,
          `${owner} has this value too, and proto wants them to differ in a package`,
        );
      owners.set(value, name);
    }
}

function printFile({ package: name, messages, enums, services, imports }: ProtoFile): string {
  const parts = ['syntax = "proto3";'];
  if (name !== '') parts.push(`package ${name};`);
  if (imports.size > 0)
    parts.push(
      [...imports]
        .sort()
        .map((path) => `import "${path}";`)
        .join('\n'),
    );
  parts.push(...services.map((service) => printService(service, name)));
  parts.push(...messages.map((message) => printMessage(message, name)));
  parts.push(...[...enums].map(printEnum));
  return `${parts.join('\n\n')}\n`;
}

function printService({ name, methods }: ProtoService, scope: string): string {
  const lines = methods.map(({ name: method, request, reply, kind }) => {
    const input = `${kind === 'client' || kind === 'bidi' ? 'stream ' : ''}${referTo(shapeOf(request).name, scope)}`;
    const output = `${kind === 'server' || kind === 'bidi' ? 'stream ' : ''}${referTo(shapeOf(reply).name, scope)}`;
    return `rpc ${method}(${input}) returns (${output});`;
  });
  return block(`service ${simpleName(name)}`, lines);
}

function printMessage({ name, fields, reserved }: MessageShape, scope: string): string {
  const lines: string[] = [];
  const ids = reserved.filter((entry) => typeof entry === 'number');
  const names = reserved.filter((entry) => typeof entry === 'string');
  if (ids.length > 0) lines.push(`reserved ${ids.join(', ')};`);
  if (names.length > 0) lines.push(`reserved ${names.map((entry) => `"${entry}"`).join(', ')};`);
  const printed = new Set<string>();
  for (const field of fields) {
    if (field.oneof === undefined) lines.push(printField(field, scope));
    else if (!printed.has(field.oneof)) {
      const members = fields.filter(({ oneof }) => oneof === field.oneof);
      printed.add(field.oneof);
      lines.push(
        block(
          `oneof ${field.oneof}`,
          members.map((member) => printField(member, scope)),
        ),
      );
    }
  }
  return block(`message ${simpleName(name)}`, lines);
}

function printField(
  { property, protoName, id, label, value, key, optional }: FieldShape,
  scope: string,
): string {
  const type = value.kind === 'scalar' ? value.name : referTo(fullNameOf(value), scope);
  const full = label === 'map' ? `map<${key}, ${type}>` : type;
  const rule = label === 'repeated' ? 'repeated ' : optional ? 'optional ' : '';
  const json = defaultJsonName(protoName) === property ? '' : ` [json_name = "${property}"]`;
  return `${rule}${full} ${protoName} = ${id}${json};`;
}

function printEnum({ name, numbers, names }: EnumShape): string {
  // proto3 wants the zero first.
  const values = [...numbers].sort(([, a], [, b]) => Number(b === 0) - Number(a === 0));
  const lines = values.map(([value, number]) => `${value} = ${number};`);
  if (names.size < numbers.size) lines.unshift('option allow_alias = true;');
  return block(`enum ${simpleName(name)}`, lines);
}

/** The name of a type as a file of package `scope` writes it: from the root (a dot) where it could be taken for another. */
function referTo(name: string, scope: string): string {
  const simple = simpleName(name);
  if (packageOf(name) === scope) return isScalar(simple) ? `.${name}` : simple;
  const [first = ''] = name.split('.');
  return scope.split('.').includes(first) ? `.${name}` : name;
}

function block(head: string, lines: readonly string[]): string {
  if (lines.length === 0) return `${head} {}`;
  return `${head} {\n${lines.map((line) => line.replace(/^/gm, '  ')).join('\n')}\n}`;
}
