import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { enumName, protoEnum } from '../../src/schema/proto-enum.js';
import type { EnumValue } from '../../src/schema/proto-enum.js';

describe('protoEnum', () => {
  const Color = protoEnum('x.Color', { RED: 0, GREEN: 1 });

  it('returns the same object', () => {
    const values = { A: 0 };
    assert.equal(protoEnum('x.Values', values), values);
  });

  it('remembers the name', () => {
    assert.equal(enumName(Color), 'x.Color');
    assert.equal(enumName({ RED: 0, GREEN: 1 }), undefined);
  });

  it('keeps the numbers as types', () => {
    const green: EnumValue<typeof Color> = Color.GREEN;
    // @ts-expect-error: 2 is no value of the enum
    const wrong: EnumValue<typeof Color> = 2;
    assert.deepEqual([green, wrong], [1, 2]);
  });
});
