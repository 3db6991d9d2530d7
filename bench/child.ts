// A child process of the benchmark: one end of one variant, which tells what it used when it is asked.
import { load, loadStreams, type LoadOptions } from './load.js';
import type { Variant } from './variant.js';

const [role, module = '', name, address = ''] = process.argv.slice(2);
// The modules of variants export them one by one or as lists.
const exported = Object.values((await import(module)) as Record<string, unknown>).flat() as Variant[];
const variant = exported.find((each) => each.name === name);
if (variant === undefined || process.send === undefined)
  throw new Error(`this is a part of \`npm run bench\`, and ${module} has no ${name}`);

process.on('disconnect', () => process.exit(0));

if (role === 'serve') {
  process.on('message', () => tell({ cpu: used(), rss: process.memoryUsage.rss() }));
  tell({ address: await variant.serve() });
} else {
  const at = variant.oneProcess === true ? await variant.serve() : address;
  const call = await variant.connect(at);
  const open = await variant.open?.(at);
  const run = async (options: LoadOptions): Promise<void> => {
    const before = used();
    const result =
      options.streams === true && open ? await loadStreams(open, options) : await load(call, options);
    tell({ ...result, cpu: used() - before, rss: process.memoryUsage.rss() });
  };
  process.on('message', (options: LoadOptions) => void run(options));
  tell({ about: variant.about });
}

function used(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function tell(what: object): void {
  process.send?.(what);
}
