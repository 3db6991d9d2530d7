import { unfit } from './fault.js';
import type { MessageType } from './message-type.js';
import { fullNameOf, protoFilesOf, valuesInOrder, type ProtoFile, type ProtoService } from './proto-file.js';
import { defaultJsonName, packageOf, simpleName } from './proto-name.js';
import { shapeOf } from './resolve.js';
import { isScalar } from './scalar.js';
import type { EnumShape, FieldShape, MessageShape } from './shape.js';

export type { ProtoMethod, ProtoService } from './proto-file.js';

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
  return new Map(protoFilesOf(types, services).map((file) => [file.path, printFile(file)]));
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

function printEnum(shape: EnumShape): string {
  const { name, numbers, names } = shape;
  const lines = valuesInOrder(shape).map(([value, number]) => `${value} = ${number};`);
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
