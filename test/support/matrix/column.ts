import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { memory as memoryBroker } from '../../../src/broker/memory.js';
import type { Client } from '../../../src/client/client.js';
import type { Provider } from '../../../src/core/provider.js';
import { memory as memoryRegistry } from '../../../src/registry/memory.js';
import type { Server, ServerOptions } from '../../../src/server/server.js';
import { createService } from '../../../src/service/run.js';
import { TestLogger } from '../../../src/testing/test-logger.js';
import type { Transport } from '../../../src/transport/transport.js';
import type { Wrapper } from '../../../src/wrapper/wrapper.js';
import { FEATURES, type FeatureName, type Rig } from './features.js';
import { Matrix, MatrixClient, StreamMatrix } from './parcels.js';

// Tries the features on one wire and holds its column of docs/matrix.md to what was seen. With WRITE_DOCS=1 the column is written instead.

/** A way for a call to go. */
export interface Wire {
  readonly transport?: () => Provider<Transport>;
  readonly client?: Provider<Client>;
  readonly server: (options: ServerOptions) => Provider<Server>;
  /** What calls in place of an Octavo client, to the address of the server. */
  readonly caller?: (address: string) => {
    readonly client: Rig['client'];
    readonly close: () => Promise<void>;
  };
  /** Whether the service has no streams, as the wire carries none. */
  readonly streamless?: boolean;
  /** What it lacks, and why: each is tried, and must fail. */
  readonly gaps?: Partial<Record<FeatureName, string>>;
}

/** How long a feature may take to show itself: what waits for something that never comes is not there. */
const PATIENCE_MS = 10_000;

/** Makes the tests of a wire. */
export function column(name: string, wire: Wire): void {
  describe(`the matrix: ${name}`, () => {
    const cells: string[] = [];
    for (const [feature, shows] of Object.entries(FEATURES)) {
      // Its key is one of them.
      const gap = wire.gaps?.[feature as FeatureName];
      it(gap === undefined ? feature : `${feature}: not here, as ${gap}`, async () => {
        const failure = await tried(wire, shows).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (gap === undefined && failure !== undefined) throw failure;
        assert.ok(
          gap === undefined || failure !== undefined,
          `"${feature}" is there on ${name}: take it out of the gaps`,
        );
        cells.push(gap === undefined ? 'yes' : `no: ${gap}`);
      });
    }
    after(() => hold(name, cells));
  });
}

async function tried(wire: Wire, shows: (rig: Rig) => Promise<void>): Promise<void> {
  const type = wire.streamless === true ? Matrix : StreamMatrix;
  const pass: Wrapper = (call, next) => next(call);
  const around: Wrapper = (call, next) => rig.around(call, next);
  const app = createService({
    services: [type],
    registry: memoryRegistry(),
    broker: memoryBroker(),
    server: wire.server({ wrappers: [around] }),
    ...(wire.client && { client: wire.client }),
    ...(wire.transport && { transport: wire.transport() }),
    logger: () => new TestLogger(),
    env: {},
  });
  await app.start();
  const caller = wire.caller?.(app.server.node?.address ?? '');
  const rig: Rig = {
    client: caller?.client ?? new MatrixClient(app.client),
    // Where there are no streams nothing asks for them.
    service: app.resolve(type) as StreamMatrix,
    around: pass,
    stop: () => app.stop(),
  };
  const late = new AbortController();
  try {
    await Promise.race([shows(rig), patience(late.signal)]);
  } finally {
    late.abort();
    await caller?.close();
    await app.stop();
  }
}

function patience(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const timer = setTimeout(() => reject(new Error(`nothing came for ${PATIENCE_MS} ms`)), PATIENCE_MS);
    signal.addEventListener('abort', () => clearTimeout(timer));
  });
}

const PAGE = 'docs/matrix.md';
const BEGIN = '<!-- The table is written by test/support/matrix/column.ts -->';
const END = '<!-- The table ends here -->';

/** Holds a column of the page to what was seen, or writes it. */
function hold(name: string, cells: readonly string[]): void {
  const features = Object.keys(FEATURES);
  if (cells.length !== features.length) return; // A test has failed, which says it all.
  const page = readFileSync(PAGE, 'utf8');
  const [before = '', rest = ''] = page.split(BEGIN);
  const [table = '', tail = ''] = rest.split(END);
  const rows = table
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const [heads = ['']] = rows;
  const said = new Map(rows.slice(2).map(([feature = '', ...of]) => [feature, of]));
  const at = heads.indexOf(name) - 1;
  if (process.env['WRITE_DOCS'] !== '1') {
    assert.deepEqual(
      features.map((feature) => said.get(feature)?.[at]),
      cells,
      `${PAGE} says otherwise of ${name}: run the test again with WRITE_DOCS=1`,
    );
    return;
  }
  const wires = at < 0 ? [...heads.slice(1), name] : heads.slice(1);
  const lines = features.map((feature, row) => [
    feature,
    ...wires.map((each, n) => (each === name ? cells[row] : said.get(feature)?.[n]) ?? ''),
  ]);
  const written = [['', ...wires], ['', ...wires].map(() => '---'), ...lines].map(
    (line) => `| ${line.join(' | ')} |`,
  );
  writeFileSync(PAGE, `${before}${BEGIN}\n\n${written.join('\n')}\n\n${END}${tail}`);
}
