import type { Lifecycle } from '../core/lifecycle.js';
import type { Codec } from './codec.js';

/** The codecs of an app, found by content type. */
export class Codecs implements Lifecycle {
  readonly #byType = new Map<string, Codec>();

  /** The first codec that names a content type has it. */
  constructor(codecs: readonly Codec[]) {
    for (const codec of codecs)
      for (const type of codec.contentTypes) if (!this.#byType.has(type)) this.#byType.set(type, codec);
  }

  /** Loads what codecs stand on; most stand on nothing. */
  async start(): Promise<void> {
    for (const codec of new Set(this.#byType.values())) await lifecycleOf(codec).start?.();
  }

  /** Every content type there is a codec for. */
  get contentTypes(): readonly string[] {
    return [...this.#byType.keys()];
  }

  /** The codec of a content type, whose parameters (`; charset=utf-8`) and case do not count. */
  get(contentType: string): Codec | undefined {
    return this.#byType.get(contentType) ?? this.#byType.get(bare(contentType));
  }
}

function bare(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

/** A codec may have something to load, and need not. */
function lifecycleOf(codec: object): Lifecycle {
  return codec;
}
