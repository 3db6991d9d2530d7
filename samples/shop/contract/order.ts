import { IsIn, Length, Max, Min } from 'class-validator';
import {
  ClientOf,
  Field,
  Handler,
  Message,
  PublisherOf,
  Service,
  topic,
  unimplemented,
} from '../../../src/index.js';
import { Forecast } from './stock.js';

@Message('order.PlaceRequest')
export class PlaceRequest {
  @Field(1, 'string') @Length(1, 64) customer = '';
  @Field(2, 'string') @IsIn(['teapot', 'piano']) article = '';
  @Field(3, 'int32') @Min(1) @Max(100) count = 0;
}

@Message('order.OrderId')
export class OrderId {
  @Field(1, 'string') id = '';
}

@Message('order.OrderDetails')
export class OrderDetails {
  @Field(1, 'string') id = '';
  @Field(2, 'string') customer = '';
  @Field(3, 'string') article = '';
  @Field(4, 'int32') count = 0;
}

@Message('order.OrderStatus')
export class OrderStatus {
  @Field(1, 'string') status = '';
}

@Service({ name: 'order', version: '1.0.0' })
export class Order {
  @Handler(PlaceRequest, OrderDetails)
  place(_request: PlaceRequest): Promise<OrderDetails> {
    return unimplemented();
  }

  @Handler(OrderId, OrderDetails, { idempotent: true })
  get(_order: OrderId): Promise<OrderDetails> {
    return unimplemented();
  }

  @Handler(OrderId, OrderDetails)
  cancel(_order: OrderId): Promise<OrderDetails> {
    return unimplemented();
  }

  @Handler(OrderId, OrderStatus, { stream: 'server' })
  watch(_order: OrderId): AsyncIterable<OrderStatus> {
    return unimplemented();
  }

  @Handler(OrderId, Forecast, { idempotent: true })
  forecast(_order: OrderId): Promise<Forecast> {
    return unimplemented();
  }
}

export class OrderClient extends ClientOf(Order) {}

/** Says which order it is; whoever needs more asks for it. */
export const OrdersPlaced = topic('orders.placed', OrderId);
export const OrdersCancelled = topic('orders.cancelled', OrderDetails);

export class OrdersPlacedPublisher extends PublisherOf(OrdersPlaced) {}
export class OrdersCancelledPublisher extends PublisherOf(OrdersCancelled) {}
