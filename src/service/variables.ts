/** One environment variable. */
export interface Variable {
  readonly meaning: string;
  readonly form: 'text' | 'name' | 'list' | 'pairs' | 'duration' | 'count';
  /** What holds where neither option nor variable says anything. */
  readonly fallback: string;
}

/**
 * The environment variables that an app reads, go-micro's in name and meaning.
 *
 * An option given in code wins over its variable; in go-micro it is the other way round. `docs/configuration.md` is held to this table.
 */
export const VARIABLES = {
  MICRO_REGISTRY: { meaning: 'which registry', form: 'name', fallback: 'mdns' },
  MICRO_REGISTRY_ADDRESS: {
    meaning: 'where the registry is; of mdns `interface[:port]`',
    form: 'list',
    fallback: 'the registry’s own',
  },
  MICRO_BROKER: { meaning: 'which broker', form: 'name', fallback: 'http' },
  MICRO_BROKER_ADDRESS: {
    meaning: 'where the broker is; for http where it listens',
    form: 'list',
    fallback: 'the broker’s own',
  },
  MICRO_TRANSPORT: { meaning: 'which transport', form: 'name', fallback: 'http' },
  MICRO_TRANSPORT_ADDRESS: {
    meaning: 'where the server of the transport is, for nats and rabbitmq',
    form: 'list',
    fallback: 'the transport’s own',
  },
  MICRO_TLS: {
    meaning:
      '`dev`: [TLS for development](tls.md#tls-for-development) of the transport, broker, client and server chosen here',
    form: 'name',
    fallback: 'plain text',
  },
  MICRO_TLS_CA: {
    meaning: 'TLS of these, with this file of who may have signed the certificates of others',
    form: 'text',
    fallback: 'plain text',
  },
  MICRO_TLS_CERT: { meaning: 'and with a file of our certificate', form: 'text', fallback: 'none' },
  MICRO_TLS_KEY: { meaning: 'and of its private key', form: 'text', fallback: 'none' },
  MICRO_SELECTOR: { meaning: 'which selector', form: 'name', fallback: 'cache' },
  MICRO_SELECTOR_LABELS: {
    meaning: 'for the label selector: what it prefers, the most wanted first',
    form: 'pairs',
    fallback: 'none',
  },
  STATIC_SELECTOR_DOMAIN_NAME: {
    meaning: 'for the static selector: put behind the name of a service',
    form: 'text',
    fallback: 'none',
  },
  STATIC_SELECTOR_PORT_NUMBER: {
    meaning: 'for the static selector: the port of every service',
    form: 'count',
    fallback: '8080',
  },
  MICRO_CLIENT: { meaning: 'which client', form: 'name', fallback: 'rpc' },
  MICRO_SERVER: { meaning: 'which server', form: 'name', fallback: 'rpc' },
  MICRO_SERVER_NAME: { meaning: 'the name of the service', form: 'text', fallback: '`@Service({ name })`' },
  MICRO_SERVER_VERSION: { meaning: 'its version', form: 'text', fallback: '`@Service({ version })`' },
  MICRO_SERVER_ID: {
    meaning: 'what makes the node’s id, `<name>-<id>`',
    form: 'text',
    fallback: 'a new UUID',
  },
  MICRO_SERVER_ADDRESS: { meaning: 'where the server listens', form: 'text', fallback: '`127.0.0.1:0`' },
  MICRO_SERVER_ADVERTISE: {
    meaning: 'what others are told to dial',
    form: 'text',
    fallback: 'the bound address',
  },
  MICRO_SERVER_METADATA: {
    meaning: 'added to the node’s metadata, `key=value,key=value`',
    form: 'pairs',
    fallback: 'none',
  },
  MICRO_REGISTER_TTL: {
    meaning: 'how long the registry knows a node that is silent',
    form: 'duration',
    fallback: '`90s`',
  },
  MICRO_REGISTER_INTERVAL: { meaning: 'how often a node renews', form: 'duration', fallback: '`30s`' },
  MICRO_CLIENT_REQUEST_TIMEOUT: { meaning: 'the limit of a unary call', form: 'duration', fallback: '`5s`' },
  MICRO_CLIENT_RETRIES: { meaning: 'attempts after the first', form: 'count', fallback: '1' },
  MICRO_CLIENT_POOL_SIZE: {
    meaning: 'idle connections kept for each address',
    form: 'count',
    fallback: '100',
  },
  MICRO_CLIENT_POOL_TTL: {
    meaning: 'how long a connection is used again',
    form: 'duration',
    fallback: '`1m`',
  },
  MICRO_LOG_LEVEL: {
    meaning: 'the least level that is logged: debug, info, warn, error',
    form: 'name',
    fallback: 'info',
  },
} as const satisfies Readonly<Record<string, Variable>>;

export type VariableName = keyof typeof VARIABLES;
