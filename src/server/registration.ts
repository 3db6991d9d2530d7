import type { Clock, Timer } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import type { Registry, ServiceRecord } from '../registry/registry.js';

export interface RegistrationParts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keeps one record in the registry: puts it there, renews it, takes it out. */
export class Registration {
  readonly #parts: RegistrationParts;
  readonly #ttlMs: number;
  readonly #intervalMs: number;
  #record: ServiceRecord | undefined;
  #timer: Timer | undefined;
  #failing = false;

  constructor(parts: RegistrationParts, ttlMs: number, intervalMs: number) {
    this.#parts = parts;
    this.#ttlMs = ttlMs;
    this.#intervalMs = intervalMs;
  }

  /** Puts the record into the registry and renews it from now on. Rejects when the registry does not take it. */
  async register(record: ServiceRecord): Promise<void> {
    this.#record = record;
    await this.#parts.registry.register(record, { ttlMs: this.#ttlMs });
    this.#schedule();
  }

  /** Takes it out. What is not in is not taken out. */
  async deregister(): Promise<void> {
    const record = this.#record;
    this.stop();
    if (record !== undefined) await this.#parts.registry.deregister(record);
  }

  /** Renews no more; the registry forgets the record after its TTL. */
  stop(): void {
    this.#record = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Renewals of a fleet that started together drift apart, as each comes up to a tenth early. */
  #schedule(): void {
    this.#timer?.cancel();
    const ms = this.#intervalMs * (1 - Math.random() / 10);
    this.#timer = this.#parts.clock.after(ms, () => void this.#renew(), { background: true });
  }

  async #renew(): Promise<void> {
    const record = this.#record;
    if (record === undefined) return;
    const { registry, logger } = this.#parts;
    try {
      await registry.register(record, { ttlMs: this.#ttlMs });
      if (this.#failing) logger.info('the registry takes renewals again', { registry: registry.name });
      this.#failing = false;
    } catch (error) {
      if (!this.#failing)
        logger.warn('could not renew in the registry, trying on', { registry: registry.name, error });
      this.#failing = true;
    }
    if (this.#record === record) this.#schedule();
  }
}
