import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions, type TLSSocket } from 'node:tls';

/** What a server says before TLS begins, if anything: resolves when the handshake is next. */
export type Prelude = (socket: Socket, offersTls: boolean) => Promise<void>;

/** A door that speaks TLS as this one does, or plain text, and then nothing. */
export class TlsDoor implements AsyncDisposable {
  readonly address: string;
  /** The first caller whose handshake is done. */
  readonly entered: Promise<TLSSocket>;
  readonly #close: () => Promise<void>;

  private constructor(address: string, entered: Promise<TLSSocket>, close: () => Promise<void>) {
    this.address = address;
    this.entered = entered;
    this.#close = close;
  }

  /** @param options without them it speaks no TLS */
  static async open(options: TlsOptions | undefined, prelude: Prelude): Promise<TlsDoor> {
    const open = new Set<Socket>();
    const secure = createTlsServer(options ?? {});
    // What is refused is the caller's business.
    secure.on('tlsClientError', () => {});
    const entered = new Promise<TLSSocket>((resolve) =>
      secure.on('secureConnection', (socket) => {
        socket.on('error', () => {});
        resolve(socket);
      }),
    );
    const server = createServer((socket) => {
      open.add(socket);
      socket.on('error', () => {});
      const begin = (): void => {
        if (socket.destroyed) return;
        if (options !== undefined) secure.emit('connection', socket);
        // As nearly every server has it for what it cannot read.
        else socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'));
      };
      void prelude(socket, options !== undefined).then(begin);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // What listens on TCP has an address with a port.
    const { port } = server.address() as AddressInfo;
    return new TlsDoor(`127.0.0.1:${port}`, entered, async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

/** TLS from the first byte on. */
export const atOnce: Prelude = async () => {};

/** A NATS server says who it is, and that it wants TLS. */
export const natsInfo: Prelude = async (socket, offersTls) => {
  const info = {
    server_id: 'x',
    version: '2.10.0',
    proto: 1,
    host: '127.0.0.1',
    port: 4222,
    headers: true,
    max_payload: 1024 * 1024,
    ...(offersTls && { tls_required: true }),
  };
  socket.write(`INFO ${JSON.stringify(info)}\r\n`);
};

/** An nsqd is asked for TLS, and agrees to it. */
export const nsqIdentify: Prelude = async (socket, offersTls) => {
  await new Promise<void>((resolve) => {
    let all = Buffer.alloc(0);
    const take = (bytes: Buffer): void => {
      all = Buffer.concat([all, bytes]);
      if (!all.includes('IDENTIFY\n') || all.at(-1) !== 0x7d) return;
      socket.off('data', take);
      resolve();
    };
    socket.on('data', take);
  });
  const answer = JSON.stringify({ max_rdy_count: 2_500, version: '1.3.0', tls_v1: offersTls });
  const frame = Buffer.alloc(8);
  frame.writeInt32BE(4 + answer.length, 0);
  socket.write(Buffer.concat([frame, Buffer.from(answer)]));
};
