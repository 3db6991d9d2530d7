import assert from 'node:assert/strict';
import parse from 'parse-prometheus-text-format';

/**
 * Every sample of a text in Prometheus's format, by its name and its labels in order: `calls_total code=ok kind=unary`. Fails where the
 * text is no such one, as a parser that is not ours reads it, or says something twice, or not what it is.
 */
export function samplesOf(text: string): ReadonlyMap<string, number> {
  assert.ok(text.endsWith('\n'));
  const typed = [...text.matchAll(/^# TYPE (\S+) (counter|gauge|histogram|summary)$/gm)].map(
    ([, name]) => name,
  );
  assert.deepEqual(typed, [...new Set(typed)]);
  const samples = new Map<string, number>();
  // The parser knows no histogram with labels: its samples are given to it as what they are.
  for (const { name, help, metrics } of parse(text.replace(/^(# TYPE \S+) histogram$/gm, '$1 untyped'))) {
    const part = typed.includes(name.replace(/_(bucket|sum|count)$/, ''));
    assert.ok(part || (help !== '' && typed.includes(name)), name);
    for (const { labels = {}, value, count, sum } of metrics) {
      const pairs = Object.entries(labels).map(([label, of]) => `${label}=${of}`);
      const add = (of: string, what: string | undefined): void => {
        if (what === undefined) return;
        const key = [of, ...pairs.sort()].join(' ');
        assert.ok(!samples.has(key), `twice: ${key}`);
        // JavaScript writes it in another way.
        samples.set(key, Number(what.replace(/Inf$/, 'Infinity')));
        assert.ok(!Number.isNaN(samples.get(key)), key);
      };
      add(name, value);
      add(`${name}_count`, count);
      add(`${name}_sum`, sum);
    }
  }
  return samples;
}
