/** Whether one can publish to this: words with dots between, without spaces and wildcards. */
export function isSubject(text: string): boolean {
  return text.length <= 256 && /^[^\s.*>]+(?:\.[^\s.*>]+)*$/.test(text);
}

/** Whether one can subscribe to this: a subject in which `*` stands for any one word, and `>` at the end for one or more. */
export function isPattern(text: string): boolean {
  return text.length <= 256 && /^(?:(?:[^\s.*>]+|\*)\.)*(?:[^\s.*>]+|\*|>)$/.test(text);
}
