import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Field } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import { declarationOf } from '../../src/schema/declaration.js';
import { schemaOf } from '../../src/schema/schema.js';
import { refused } from '../schema/refused.js';

describe('@Message', () => {
  it('records the name and what is reserved', () => {
    @Message('x.Named', { reserved: [4, 'old'] })
    class Named {}
    assert.deepEqual(declarationOf(Named)?.message, { name: 'x.Named', reserved: [4, 'old'] });
  });

  it('makes no instance and checks nothing until the schema is built', () => {
    let made = 0;
    @Message('not a name')
    class Counted {
      constructor() {
        made++;
      }
    }
    assert.equal(made, 0);
    refused(() => schemaOf(Counted), /"not a name" is no proto name/, 'failed_precondition');
  });

  it('leaves the class as it is', () => {
    class Plain {
      name = '';
    }
    const before = [Reflect.ownKeys(Plain), Reflect.ownKeys(Plain.prototype)];
    Message('x.Plain')(Plain);
    Field(1, 'string')(Plain.prototype, 'name');
    assert.deepEqual([Reflect.ownKeys(Plain), Reflect.ownKeys(Plain.prototype)], before);
  });

  it('is not inherited', () => {
    @Message('x.Base')
    class Base {}
    class Derived extends Base {}
    assert.equal(declarationOf(Derived), undefined);
    refused(() => schemaOf(Derived), /^class Derived: it is no message/, 'failed_precondition');
  });

  it('gives Reflect the metadata that emitDecoratorMetadata needs', () =>
    assert.equal(typeof Reflect.getMetadata, 'function'));
});
