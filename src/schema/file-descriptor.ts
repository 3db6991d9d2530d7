import type { MessageType } from './message-type.js';
import { describeFile, type FileDescriptor } from './descriptor-writer.js';
import { GOOGLE_FILES } from './google-files.js';
import { protoFilesOf, type ProtoService } from './proto-file.js';
import { Writer } from 'protobufjs/minimal.js';

export type { FileDescriptor } from './descriptor-writer.js';

/** The field `file` of a FileDescriptorSet. */
const FILE = (1 << 3) | 2;

/**
 * What `protoFiles` prints, as descriptors: one for each package, and one for each of Google's files that they import, imported ones first.
 *
 * The bytes are those that protoc makes of the text. Throws as `protoFiles` does.
 */
export function fileDescriptors(
  types: readonly MessageType[],
  services: readonly ProtoService[] = [],
): readonly FileDescriptor[] {
  const own = protoFilesOf(types, services).map((file) => describeFile(file));
  const all = new Map([...GOOGLE_FILES, ...own].map((file) => [file.path, file]));
  const sorted = new Map<string, FileDescriptor>();
  const add = (file: FileDescriptor | undefined): void => {
    if (file === undefined || sorted.has(file.path)) return;
    for (const path of file.imports) add(all.get(path));
    sorted.set(file.path, file);
  };
  for (const file of own) add(file);
  return [...sorted.values()];
}

/** The same as the bytes of one `google.protobuf.FileDescriptorSet`, which is what tools for protobuf take. */
export function fileDescriptorSet(
  types: readonly MessageType[],
  services: readonly ProtoService[] = [],
): Uint8Array {
  const set = new Writer();
  for (const { bytes } of fileDescriptors(types, services)) set.uint32(FILE).bytes(bytes);
  return set.finish();
}
