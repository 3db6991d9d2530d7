import { describe, test } from 'node:test';
import { BlacklistSelector } from '../../src/selector/blacklist.js';
import { LabelSelector } from '../../src/selector/label.js';
import { NamedSelector } from '../../src/selector/named.js';
import { P2cSelector } from '../../src/selector/p2c.js';
import type { RegistrySelectorParts } from '../../src/selector/registry-selector.js';
import type { Selector } from '../../src/selector/selector.js';
import { ShardSelector } from '../../src/selector/shard.js';
import { StaticSelector } from '../../src/selector/static.js';
import { conform, type ConformOptions } from '../conformance/conform.js';
import { selectorSuite, type SelectorSubject } from '../conformance/selector.js';
import { selecting } from '../support/selecting.js';
import { wrapped } from '../support/wrapped.js';

const NO_REGISTRY = 'it asks no registry: a service is an address';
const WITHOUT: ConformOptions<keyof typeof selectorSuite> = {
  lacks: Object.fromEntries(Object.keys(selectorSuite).map((sentence) => [sentence, NO_REGISTRY])),
};

const all: Readonly<
  Record<
    string,
    readonly [(parts: RegistrySelectorParts) => Selector, ConformOptions<keyof typeof selectorSuite>?]
  >
> = {
  BlacklistSelector: [(parts) => new BlacklistSelector({}, parts)],
  LabelSelector: [(parts) => new LabelSelector({ labels: [['zone', 'a']] }, parts)],
  ShardSelector: [(parts) => new ShardSelector({}, parts)],
  P2cSelector: [(parts) => new P2cSelector({}, parts)],
  NamedSelector: [() => new NamedSelector(), WITHOUT],
  StaticSelector: [() => new StaticSelector(), WITHOUT],
};

for (const [name, [make, options]] of Object.entries(all)) {
  const subject = (through: (selector: Selector) => Selector): SelectorSubject => {
    const parts = selecting();
    const selector = through(make(parts));
    return {
      registry: parts.registry,
      selector,
      start: () => selector.start(),
      stop: () => selector.stop(),
    };
  };
  describe(name, () => {
    conform<SelectorSubject, typeof selectorSuite>(test, selectorSuite, () => subject((it) => it), options);
  });
  describe(`a wrapped ${name}`, () => {
    conform<SelectorSubject, typeof selectorSuite>(test, selectorSuite, () => subject(wrapped), options);
  });
}
