import type { Codec } from '../../codec/codec.js';
import type { Codecs } from '../../codec/codecs.js';

/** How a call is written: which protocol, and the codec of its messages. */
export interface Form {
  /** `connect` is one message in either body, `connect-stream` and `grpc-web` are frames, `grpc-web-text` is those as base64. */
  readonly protocol: 'connect' | 'connect-stream' | 'grpc-web' | 'grpc-web-text';
  readonly codec: Codec;
  /** What a reply in this form is called. */
  readonly contentType: string;
}

/** The codecs that these protocols know. */
const CODECS = { json: 'application/json', proto: 'application/proto' } as const;

type Encoding = keyof typeof CODECS;

/** What a content type is called before `+json` or `+proto`. */
const FRAMED = {
  'application/connect': 'connect-stream',
  'application/grpc-web': 'grpc-web',
  'application/grpc-web-text': 'grpc-web-text',
} as const;

/** The forms that a server reads, by content type: those of the codecs that it has. */
export class Forms {
  readonly #byType = new Map<string, Form>();

  constructor(codecs: Codecs) {
    for (const encoding of Object.keys(CODECS) as Encoding[]) {
      const codec = codecs.get(CODECS[encoding]);
      if (codec === undefined) continue;
      this.#add(CODECS[encoding], 'connect', codec);
      for (const [type, protocol] of Object.entries(FRAMED))
        this.#add(`${type}+${encoding}`, protocol, codec);
    }
    const proto = codecs.get(CODECS.proto);
    if (proto === undefined) return;
    // What gRPC-Web is in that does not say.
    this.#add('application/grpc-web', 'grpc-web', proto);
    this.#add('application/grpc-web-text', 'grpc-web-text', proto);
    this.#add('application/protobuf', 'connect', proto);
  }

  /** Every content type, those for calls without streams first. */
  get contentTypes(): readonly string[] {
    return [...this.#byType.keys()];
  }

  /** The form of a content type, whose parameters and case do not count. */
  get(contentType: string): Form | undefined {
    return this.#byType.get(contentType) ?? this.#byType.get(bare(contentType));
  }

  /** The form of a call in a query, of which `encoding` says the codec. */
  ofQuery(encoding: string): Form | undefined {
    return encoding in CODECS ? this.#byType.get(`application/${encoding}`) : undefined;
  }

  #add(contentType: string, protocol: Form['protocol'], codec: Codec): void {
    this.#byType.set(contentType, { protocol, codec, contentType });
  }
}

function bare(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}
