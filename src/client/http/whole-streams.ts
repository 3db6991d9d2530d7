import { OctavoError } from '../../core/error.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import { inAll } from '../../core/pool-stats.js';
import type {
  Answer,
  Asked,
  Asker,
  Connections,
  Cuttable,
  RequestHead,
  WholeAsker,
  WholeConnections,
} from './asking.js';
import type { Target } from './target.js';
import { whole } from './whole.js';

/** Asks with a whole body for a whole answer on connections that carry streams. */
export class WholeStreams implements WholeConnections {
  readonly stats = inAll([]);
  readonly #connections: Connections;
  readonly #maxBytes: number;

  constructor(connections: Connections, maxBytes: number) {
    this.#connections = connections;
    this.#maxBytes = maxBytes;
  }

  call(target: Target, head: RequestHead, body: Uint8Array, asker: WholeAsker): MaybePromise<Cuttable> {
    const asked = this.#connections.ask(target, head, new Collecting(asker, target, this.#maxBytes));
    const send = (it: Asked): Cuttable => {
      it.body.end(body);
      return it;
    };
    return isPromise(asked) ? asked.then(send) : send(asked);
  }

  destroy(): void {
    this.#connections.destroy();
  }
}

/** Gives an answer on when it is there to its end. */
class Collecting implements Asker {
  readonly call: WholeAsker['call'];
  readonly #asker: WholeAsker;
  readonly #target: Target;
  readonly #maxBytes: number;

  constructor(asker: WholeAsker, target: Target, maxBytes: number) {
    this.call = asker.call;
    this.#asker = asker;
    this.#target = target;
    this.#maxBytes = maxBytes;
  }

  connected(): void {
    this.#asker.connected();
  }

  failed(error: OctavoError): void {
    this.#asker.failed(error);
  }

  answered({ status, headers, body }: Answer): void {
    whole(body, this.#maxBytes, (error, bytes) => {
      if (error === undefined) return this.#asker.wholly({ status, headers, body: bytes });
      const { code, message, cause } = error;
      this.#asker.failed(new OctavoError(code, `${this.#target.shown}: ${message}`, { cause }));
    });
  }
}
