import type { NodeRecord } from '../node-record.js';
import { readRecord, writeRecord } from '../record-json.js';

/** Where go-micro has the record of a node: `<root>/<service>/<node id>`. Source: go-micro plugins v4 `registry/zookeeper`. */
export class Paths {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  folder(service: string): string {
    return `${this.root}/${named(service)}`;
  }

  node({ service, node }: NodeRecord): string {
    return `${this.folder(service.name)}/${named(node.id)}`;
  }

  /** The record that a node holds; `undefined` for anything else that lies there, or belongs elsewhere. */
  record(path: string, data: Buffer): NodeRecord | undefined {
    return readRecord(data.toString('utf8')).find((record) => this.node(record) === path);
  }
}

export function dataOf(record: NodeRecord): Buffer {
  return Buffer.from(writeRecord(record));
}

/** As go-micro does: a name is one step of a path. */
function named(name: string): string {
  return name.replaceAll('/', '-');
}
