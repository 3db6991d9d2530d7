import { freeze } from './record.js';
import type { Node, ServiceRecord } from './registry.js';

/** A version of a service, without its nodes. */
export type Facts = Omit<ServiceRecord, 'nodes'>;

/** One node, and the version of a service that it runs: what most backends keep under one key. */
export interface NodeRecord {
  readonly service: Facts;
  readonly node: Node;
}

/** A record for each node of a service. */
export function nodesOf({ nodes, ...service }: ServiceRecord): NodeRecord[] {
  return nodes.map((node) => ({ service, node }));
}

/** The service with this one node, as events tell of it. */
export function serviceOf({ service, node }: NodeRecord): ServiceRecord {
  return { ...service, nodes: [node] };
}

/** The versions that these nodes of one service run, frozen. What a version has is the last one's word. */
export function versionsOf(records: Iterable<NodeRecord>): readonly ServiceRecord[] {
  const versions = new Map<string, { service: Facts; nodes: Node[] }>();
  for (const { service, node } of records) {
    const version = versions.get(service.version);
    if (version === undefined) versions.set(service.version, { service, nodes: [node] });
    else {
      version.nodes.push(node);
      version.service = service;
    }
  }
  return freeze([...versions.values()].map(({ service, nodes }) => ({ ...service, nodes })));
}
