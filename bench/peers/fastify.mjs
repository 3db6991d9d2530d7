import Fastify from 'fastify';
import { Pool } from 'undici';

const TEXT = { type: 'object', properties: { text: { type: 'string' } } };

/** JSON over HTTP/1.1, each side as its documentation says it is fast: a schema for the reply, a pool of 64. */
export const variant = {
  name: 'fastify',
  about: 'fastify 5 and undici 7, JSON over HTTP/1.1',

  async serve() {
    const app = Fastify();
    app.post('/echo', { schema: { response: { 200: TEXT } } }, async ({ body }) => ({ text: body.text }));
    return app.listen({ host: '127.0.0.1', port: 0 });
  },

  async connect(address) {
    const pool = new Pool(address, { connections: 64, pipelining: 1 });
    const headers = { 'content-type': 'application/json' };
    return async (text) => {
      const { body, statusCode } = await pool.request({
        method: 'POST',
        path: '/echo',
        headers,
        body: JSON.stringify({ text }),
      });
      if (statusCode !== 200) throw new Error(`status ${statusCode}`);
      return (await body.json()).text;
    };
  },
};
