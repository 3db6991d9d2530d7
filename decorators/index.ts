export * from './client.js';
export * from './field.js';
export { Handler } from './handler.js';
export * from './inject.js';
export * from './message.js';
export { Sensitive } from './sensitive.js';
export * from './service.js';
export * from './subscribe.js';
export * from './wrap.js';
