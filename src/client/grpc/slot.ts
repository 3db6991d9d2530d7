import type { ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import { OctavoError } from '../../core/error.js';
import type { Session, Unsent } from '../../core/http2/session.js';

/** Room for one call on a connection. */
export class Slot implements Unsent {
  readonly session: Session;
  #lost: OctavoError | undefined;

  constructor(session: Session) {
    this.session = session;
    session.unsent.add(this);
  }

  lost(error: OctavoError): void {
    this.#lost = error;
    this.session.unsent.delete(this);
  }

  /** Opens the call. Throws where the connection is closed meanwhile, and for headers that cannot be sent. */
  open(headers: () => OutgoingHttpHeaders): ClientHttp2Stream {
    const { session } = this;
    if (this.#lost !== undefined) throw this.#lost;
    try {
      const stream = session.request(headers());
      session.unsent.delete(this);
      return stream;
    } catch (cause) {
      this.leave();
      if (cause instanceof OctavoError) throw cause;
      const { over, remote } = session;
      const what = over ? `${remote} has closed the connection` : OctavoError.from(cause).message;
      throw new OctavoError(over ? 'unavailable' : 'invalid_argument', what, { cause, executed: false });
    }
  }

  /** There will be no call. */
  leave(): void {
    if (this.session.unsent.delete(this)) this.session.released();
  }
}
