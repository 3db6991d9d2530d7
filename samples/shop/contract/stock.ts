import { ClientOf, Field, Handler, Message, Service, unimplemented } from '../../../src/index.js';

@Message('stock.ReserveRequest')
export class ReserveRequest {
  @Field(1, 'string') orderId = '';
  @Field(2, 'string') article = '';
  @Field(3, 'int32') count = 0;
}

@Message('stock.ReserveReply')
export class ReserveReply {
  @Field(1, 'int32') left = 0;
}

@Message('stock.Parcel')
export class Parcel {
  @Field(1, 'string') orderId = '';
}

@Message('stock.Step')
export class Step {
  @Field(1, 'string') name = '';
}

@Message('stock.Forecast')
export class Forecast {
  @Field(1, 'int32') days = 0;
}

@Service({ name: 'stock', version: '1.0.0' })
export class Stock {
  /** Refuses with `failed_precondition` and a detail of the type `not_enough`. */
  @Handler(ReserveRequest, ReserveReply)
  reserve(_request: ReserveRequest): Promise<ReserveReply> {
    return unimplemented();
  }

  /** What happens to a parcel, when it happens. */
  @Handler(Parcel, Step, { stream: 'server' })
  progress(_parcel: Parcel): AsyncIterable<Step> {
    return unimplemented();
  }

  @Handler(Parcel, Forecast, { idempotent: true })
  forecast(_parcel: Parcel): Promise<Forecast> {
    return unimplemented();
  }
}

export class StockClient extends ClientOf(Stock) {}
