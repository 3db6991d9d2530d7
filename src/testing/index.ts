// The door for tests: names only.
export { fakeClient, type FakeCall, type FakeClient } from './fake-client.js';
export { TestApp, type TestAppBuilder, type TestAppOptions } from './test-app.js';
export { TestBroker, type Published } from './test-broker.js';
export { TestLogger } from './test-logger.js';
export { VirtualClock } from './virtual-clock.js';
