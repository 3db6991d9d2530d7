import { OctavoError } from '../core/error.js';
import type { BrokerStats, DeliveryHandler } from './broker.js';

/** Counts what goes through a broker. */
export class Traffic {
  #published = 0;
  #failed = 0;
  #delivered = 0;

  /** Counts a publish by how it ends. */
  async publish(publishing: Promise<void>): Promise<void> {
    try {
      await publishing;
      this.#published++;
    } catch (reason) {
      // What its publisher gave up is nobody's failure.
      if (OctavoError.from(reason).code !== 'cancelled') this.#failed++;
      throw reason;
    }
  }

  /** Counts what a handler gets. */
  counted(handler: DeliveryHandler): DeliveryHandler {
    return (delivery) => {
      this.#delivered++;
      return handler(delivery);
    };
  }

  /** @param connected whether the backend can be reached; left out where the broker does not know */
  stats(connected?: boolean): BrokerStats {
    const counts = { published: this.#published, failed: this.#failed, delivered: this.#delivered };
    return connected === undefined ? counts : { connected, ...counts };
  }
}
