// TS2322: Type 'Provider<Broker>' is not assignable
import {
  ClientOf,
  type Context,
  Field,
  Handler,
  Message,
  Service,
  Subscribe,
  topic,
  createService,
} from '../../../src/index.js';

@Message('wrong.Ask')
class Ask {
  @Field(1, 'string') text = '';
  @Field(2, 'int32') count = 0;
}

@Message('wrong.Told')
class Told {
  @Field(1, 'string') told = '';
  @Field(2, 'int32') n = 0;
}

import { memory } from '../../../src/broker/memory.js';
export const wrong = createService({ registry: memory() });
