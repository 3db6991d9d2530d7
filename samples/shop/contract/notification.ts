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
import { OrderId } from './order.js';

@Message('notification.Note')
export class Note {
  @Field(1, 'string') to = '';
  @Field(2, 'string') text = '';
}

@Service({ name: 'notification', version: '1.0.0' })
export class Notification {
  /** What a customer may want to know about an order, when it happens. */
  @Handler(OrderId, Note, { stream: 'server' })
  follow(_order: OrderId): AsyncIterable<Note> {
    return unimplemented();
  }

  /** When an order will arrive. */
  @Handler(OrderId, Note, { idempotent: true })
  arrival(_order: OrderId): Promise<Note> {
    return unimplemented();
  }
}

export class NotificationClient extends ClientOf(Notification) {}

export const NotificationsSent = topic('notifications.sent', Note);

export class NotificationsSentPublisher extends PublisherOf(NotificationsSent) {}
