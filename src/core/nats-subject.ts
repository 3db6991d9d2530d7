import { OctavoError } from './error.js';

/** Whether one can publish to this: words with dots between, without spaces and wildcards. */
export function isSubject(text: string): boolean {
  return text.length <= 256 && /^[^\s.*>]+(?:\.[^\s.*>]+)*$/.test(text);
}

/** Whether one can subscribe to this: a subject in which `*` stands for any one word, and `>` at the end for one or more. */
export function isPattern(text: string): boolean {
  return text.length <= 256 && /^(?:(?:[^\s.*>]+|\*)\.)*(?:[^\s.*>]+|\*|>)$/.test(text);
}

/** @throws `invalid_argument` for a topic that one cannot publish to */
export function checkTopic(topic: string): void {
  if (!isSubject(topic))
    throw new OctavoError(
      'invalid_argument',
      `"${topic}" is no topic of NATS: it has no spaces, no * and no >, and no empty part between dots`,
    );
}

/** @throws `invalid_argument` for a topic that one cannot subscribe to */
export function checkPattern(topic: string): void {
  if (!isPattern(topic))
    throw new OctavoError(
      'invalid_argument',
      `"${topic}" is no topic of NATS: it has no spaces, no empty part between dots, * for any one part, and > for the rest at the end`,
    );
}
