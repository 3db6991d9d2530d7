import { cpuOf } from './contender.js';
import type { Measured } from './rounds.js';
import { median } from './statistics.js';

const BAR = 22;
const NAMES = 130;
const WIDTH = 760;
const BARS = WIDTH - NAMES - 70;
const TOP = 44;

/** The CPU time of one call, each a bar, least first, as an SVG image. */
export function plotOf(measured: readonly Measured[], caption: string): string {
  const bars = measured
    .map(({ name, samples: { small = [] } }) => ({
      name,
      client: median(small.map(({ clientCpu }) => clientCpu ?? 0)),
      all: median(small.map(cpuOf)),
    }))
    .filter(({ all }) => !Number.isNaN(all))
    .sort((a, b) => a.all - b.all);
  const most = Math.max(...bars.map(({ all }) => all));
  const wide = (value: number): number => Math.round((value / most) * BARS * 10) / 10;
  const lines = bars.map(({ name, client, all }, at) => {
    const y = TOP + at * BAR;
    return [
      `<text x="${NAMES - 8}" y="${y + 15}" text-anchor="end">${name}</text>`,
      `<rect x="${NAMES}" y="${y + 3}" width="${wide(all)}" height="${BAR - 6}" fill="#9bb7d4"/>`,
      `<rect x="${NAMES}" y="${y + 3}" width="${wide(client)}" height="${BAR - 6}" fill="#3b6ea5"/>`,
      `<text x="${NAMES + 6 + wide(all)}" y="${y + 15}">${all.toFixed(1)}</text>`,
    ].join('\n');
  });
  const height = TOP + bars.length * BAR + 12;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
<text x="12" y="18" font-weight="bold">CPU time of one call in microseconds: client (dark) and server</text>
<text x="12" y="34" fill="#555">${caption}</text>
${lines.join('\n')}
</svg>
`;
}
