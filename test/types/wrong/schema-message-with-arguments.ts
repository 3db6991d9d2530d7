// TS1238: is not assignable to parameter of type 'MessageType'
import { Message } from '../../../decorators/message.js';

@Message('x.Wrong')
export class Wrong {
  constructor(readonly name: string) {}
}
