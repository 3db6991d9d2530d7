import { OctavoError } from '../../core/error.js';
import { versionsOf, type NodeRecord } from '../node-record.js';
import { isObject, readService } from '../record-json.js';

/** On every pod that has services. */
export const TYPE_LABEL = 'micro.mu/type';
const SELECTOR_LABEL = 'micro.mu/selector-';
const SERVICE_ANNOTATION = 'micro.mu/service-';
/** The value of both labels. */
export const SERVICE = 'service';

/** Characters of the name of a label, behind its slash, and what `selector-` leaves of them. */
const LONGEST_NAME = 63 - 'selector-'.length;
/** Characters of an annotation that are read: the API server takes 256 KiB of all of a pod's. */
const LONGEST = 512 * 1024;

/** A service's name as labels and annotations have it. Source: go-micro plugins v4 `registry/kubernetes`. */
export function labelled(name: string): string {
  return Buffer.from(name)
    .toString('latin1')
    .replace(/[^-\w.]/g, '_');
}

/** Whether a label can have this name. */
export function canBeLabelled(name: string): boolean {
  const label = labelled(name);
  return label.length <= LONGEST_NAME && /[A-Za-z0-9]$/.test(label);
}

/** @throws `invalid_argument` for a name that a label cannot have */
export function checkName(name: string): void {
  if (!canBeLabelled(name))
    throw new OctavoError(
      'invalid_argument',
      `the service "${name}" cannot be a label of a pod: its name has at most ${LONGEST_NAME} characters and ends with a letter or digit`,
    );
}

/** Picks the pods that have a service, or any. */
export function podsWith(service: string | undefined): string {
  return service === undefined
    ? `${TYPE_LABEL}=${SERVICE}`
    : `${SELECTOR_LABEL}${labelled(service)}=${SERVICE}`;
}

/** What a patch makes of a pod that has these nodes of a service; without any, it has the service no longer. */
export function podPatch(service: string, nodes: readonly NodeRecord[]): unknown {
  const label = labelled(service);
  const there = nodes.length > 0;
  return {
    metadata: {
      labels: {
        ...(there && { [TYPE_LABEL]: SERVICE }),
        [`${SELECTOR_LABEL}${label}`]: there ? SERVICE : null,
      },
      annotations: { [`${SERVICE_ANNOTATION}${label}`]: there ? annotation(nodes) : null },
    },
  };
}

/**
 * The nodes that a pod has of a service, or of all; none while it is not Ready, or on its way out.
 *
 * Whatever anybody has written there: what is no record is passed over, and so is one under the name of another service.
 */
export function nodesOfPod(pod: unknown, service: string | undefined): readonly NodeRecord[] {
  if (!isReady(pod)) return [];
  const { annotations } = metadataOf(pod);
  if (!isObject(annotations)) return [];
  const wanted = service && `${SERVICE_ANNOTATION}${labelled(service)}`;
  return Object.entries(annotations).flatMap(([key, text]) => {
    if (!key.startsWith(SERVICE_ANNOTATION) || (wanted !== undefined && key !== wanted)) return [];
    const label = key.slice(SERVICE_ANNOTATION.length);
    return recordsIn(text).filter(
      ({ service: { name } }) => labelled(name) === label && (service === undefined || name === service),
    );
  });
}

/** The name of an object and, for lists, what else stands at its head. */
export function metadataOf(object: unknown): Readonly<Record<string, unknown>> {
  const metadata = isObject(object) ? object['metadata'] : undefined;
  return isObject(metadata) ? metadata : {};
}

function isReady(pod: unknown): boolean {
  const status = isObject(pod) ? pod['status'] : undefined;
  if (!isObject(status) || status['phase'] !== 'Running') return false;
  if (metadataOf(pod)['deletionTimestamp'] !== undefined) return false;
  const { conditions } = status;
  return (
    Array.isArray(conditions) &&
    conditions.some((each) => isObject(each) && each['type'] === 'Ready' && each['status'] === 'True')
  );
}

/** go-micro's JSON of the first version, which is all that go-micro reads; others stand in a member that it passes over. */
function annotation(nodes: readonly NodeRecord[]): string {
  const names = new Set(nodes.map(({ service }) => service.name));
  const versions = [...names].flatMap((name) =>
    versionsOf(nodes.filter(({ service }) => service.name === name)),
  );
  const [first, ...more] = versions;
  return JSON.stringify({ ...first, ...(more.length > 0 && { more }) });
}

function recordsIn(text: unknown): readonly NodeRecord[] {
  if (typeof text !== 'string' || text.length > LONGEST) return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const more = isObject(value) && Array.isArray(value['more']) ? (value['more'] as unknown[]) : [];
  return [value, ...more].flatMap(readService);
}
