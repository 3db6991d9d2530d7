import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { violations, type Tree } from '../support/floors.js';

function product(): Tree {
  const paths = ['src', 'decorators'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file)),
  );
  return Object.fromEntries(paths.map((path) => [path, readFileSync(path, 'utf8')]));
}

describe('the floors', () => {
  it('hold', () => {
    assert.deepEqual(violations(product()), []);
  });

  const broken: Readonly<Record<string, Tree>> = {
    'the lowest floor stands on Node alone': { 'src/core/a.ts': "import { x } from 'fastify';" },
    'floor 0 stands on floor 1': { 'src/core/a.ts': "import type { X } from '../codec/codec.js';" },
    'floor 1 stands on floor 2': { 'src/codec/codec.ts': "export * from './json.js';" },
    'floor 2 stands on floor 3': { 'src/codec/json.ts': "await import('../service/run.js');" },
    'floor 2 stands on floor 4': { 'src/codec/json.ts': "import '../../decorators/field.js';" },
    'a contract stands on those below it': {
      'src/codec/codec.ts': "import type { X } from '../selector/selector.js';",
    },
    'a provider knows no other provider': { 'src/codec/json.ts': "import { x } from './protobuf.js';" },
    'the parts of a provider are its own': {
      'src/service/run.ts': "import { x } from '../transport/http/flow.js';",
    },
    'decorators know no provider': { 'decorators/field.ts': "import { x } from '../src/codec/json.js';" },
    'only src/service knows tsyringe': { 'src/testing/test-app.ts': "import { container } from 'tsyringe';" },
    'nobody inside uses a door': { 'decorators/field.ts': "import { x } from '../src/index.js';" },
    'a cycle: src/core/a.ts -> src/core/b.ts -> src/core/a.ts': {
      'src/core/a.ts': "import type { B } from './b.js';",
      'src/core/b.ts': "export * from './a.js';",
    },
  };
  for (const [rule, tree] of Object.entries(broken))
    it(`notice it when ${rule}`, () => {
      const said = violations(tree);
      assert.ok(
        said.some((each) => each.includes(rule)),
        said.join('\n') || 'nothing was noticed',
      );
    });

  it('let those through that keep them', () => {
    const fine: Tree = {
      'src/transport/http.ts':
        "import { x } from './http/flow.js';\nimport type { T } from './transport.js';\nimport { createServer } from 'node:net';",
      'src/transport/http/flow.ts': "import { e } from '../../core/error.js';",
      'src/core/nats.ts': "await import('@nats-io/transport-node');",
      'src/client/rpc.ts': "import { keeping } from '../selector/filter.js';",
      'src/schema/wire.ts': "import protobuf from 'protobufjs/light.js';",
      'src/service/container.ts': "import { container } from 'tsyringe';",
    };
    assert.deepEqual(violations(fine), []);
  });
});
