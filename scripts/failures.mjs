// A reporter of node:test that gives a few lines for each test that failed, and nothing for the others.
import { relative } from 'node:path';

export default async function* failures(events) {
  for await (const { type, data } of events) {
    if (type !== 'test:fail') continue;
    const { name, file = '', line, details } = data;
    const { failureType, cause, message } = details.error;
    // Of a suite those of its tests that failed are there already.
    if (failureType === 'subtestsFailed' || data.todo !== undefined) continue;
    const why = String(cause?.message ?? cause ?? message).trim();
    yield `${relative('', file)}:${line}  ${name}\n${indented(why.split('\n').slice(0, 12))}\n`;
  }
}

function indented(lines) {
  return lines.map((line) => `    ${line}`).join('\n');
}
