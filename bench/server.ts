// A child process of the benchmark: serves one variant, and tells what it used when it is asked.
import { variants } from './variants.js';

const variant = variants.find(({ name }) => name === process.argv[2]);
if (variant === undefined || process.send === undefined) throw new Error('this is a part of `npm run bench`');

process.on('message', () => process.send?.({ cpu: process.cpuUsage(), rss: process.memoryUsage.rss() }));
process.on('disconnect', () => process.exit(0));
process.send({ address: await variant.serve() });
