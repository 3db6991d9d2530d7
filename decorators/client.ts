import 'reflect-metadata';

export { ClientOf, PublisherOf } from '../src/client/proxy.js';
