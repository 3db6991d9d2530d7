import { Group } from './group.js';
import type { Member } from './member.js';

/** The subscribers that several memory brokers share. */
export class MemoryBus {
  /** By topic, then by queue; who shares with nobody stands for itself. */
  readonly #topics = new Map<string, Map<string | Member, Group>>();

  join(member: Member): void {
    const groups = this.#topics.get(member.topic) ?? new Map<string | Member, Group>();
    this.#topics.set(member.topic, groups);
    const key = member.options.queue ?? member;
    const group = groups.get(key) ?? new Group();
    groups.set(key, group);
    group.join(member);
  }

  leave(member: Member): void {
    const groups = this.#topics.get(member.topic);
    const key = member.options.queue ?? member;
    const group = groups?.get(key);
    if (groups === undefined || group === undefined) return;
    group.leave(member);
    if (group.size > 0) return;
    groups.delete(key);
    if (groups.size === 0) this.#topics.delete(member.topic);
  }

  /** Who gets the events of a topic, each group once. */
  groups(topic: string): readonly Group[] {
    return [...(this.#topics.get(topic)?.values() ?? [])];
  }
}
