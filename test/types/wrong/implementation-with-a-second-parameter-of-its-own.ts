// TS1238: Unable to resolve signature of class decorator
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

@Service()
class Contract {
  @Handler(Ask, Told)
  async run(_: Ask): Promise<Told> {
    return new Told();
  }
}
@Service(Contract)
export class Wrong {
  async run(_: Ask, count: number): Promise<Told> {
    return { told: '', n: count };
  }
}
