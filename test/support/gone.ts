import { Handler, Service } from '../../decorators/index.js';
import { unimplemented } from '../../src/core/unimplemented.js';
import { Ask, Told } from '../conformance/probe.js';

/** A service whose endpoints nobody serves. */
@Service({ name: 'gone', package: 'conformance', endpoint: 'Gone' })
export class Gone {
  @Handler(Ask, Told)
  nothing(): Promise<Told> {
    return unimplemented();
  }

  @Handler(Ask, Told, { stream: 'server' })
  nothings(): AsyncIterable<Told> {
    return unimplemented();
  }
}
