// TS2322: Type 'number' is not assignable to type 'string
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
  async run(_: Ask, _context: Context): Promise<Told> {
    return new Told();
  }
}
class Client extends ClientOf(Contract) {}
export const wrong = (client: Client): unknown => client.run({ text: 1 });
