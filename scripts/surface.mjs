// Writes down what each door of the package gives: the names and what they are, one page for each in docs/api.
// usage: npm run surface [-- --check]   --check fails where a page is out of date
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const check = process.argv.includes('--check');
const { exports } = JSON.parse(readFileSync('package.json', 'utf8'));
const doors = Object.entries(exports).filter(
  ([name, door]) => typeof door === 'object' && !name.includes('*'),
);
const stale = [];

for (const [name, { types }] of doors) {
  const title = name === '.' ? 'octavo' : name.replace('.', 'octavo');
  const names = [...namesIn(types)].sort(([a], [b]) => (a < b ? -1 : 1));
  const text = `# ${title}\n\n${names.map(([each, kind]) => `- \`${each}\` ${kind}`).join('\n')}\n`;
  const page = join('docs', 'api', `${title.replaceAll('/', '-')}.md`);
  if (existsSync(page) && readFileSync(page, 'utf8') === text) continue;
  stale.push(page);
  if (check) continue;
  mkdirSync(dirname(page), { recursive: true });
  writeFileSync(page, text);
}
if (check && stale.length > 0) {
  console.error(`out of date: ${stale.join(', ')}\nlook at what changed, then: npm run surface`);
  process.exitCode = 1;
} else console.log(stale.length === 0 ? 'nothing changed' : `wrote ${stale.join(', ')}`);

/** The names that a declaration file exports, and what each one is. */
function namesIn(path, seen = new Set()) {
  const found = new Map();
  if (seen.has(path)) return found;
  seen.add(path);
  const text = readFileSync(path, 'utf8');
  for (const [, kind, name] of text.matchAll(
    /^export (?:declare )?(?:abstract )?(class|function|const|interface|type) (\w+)/gm,
  ))
    // A name may be both a value and a type.
    found.set(name, found.has(name) && found.get(name) !== kind ? `${found.get(name)}, ${kind}` : kind);
  for (const [, star, list = '', from] of text.matchAll(
    /^export (?:type )?(\*|\{([^}]*)\}) from ['"]([^'"]+)['"]/gm,
  )) {
    const inner = namesIn(
      join(dirname(path), from.replace(/\.js$/, '.d.ts')),
      star === '*' ? seen : new Set(),
    );
    if (star === '*') for (const [name, kind] of inner) found.set(name, kind);
    else
      for (const each of list.split(',').map((part) => part.trim().replace(/^type /, '')))
        if (each !== '') found.set(each.split(' as ').at(-1), inner.get(each.split(' as ')[0]) ?? 'value');
  }
  return found;
}
