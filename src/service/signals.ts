import { constants } from 'node:os';
import type { Host } from './host.js';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Starts an app and resolves when it has stopped: by a signal, or because somebody stopped it. A second signal ends the process at once. */
export async function untilStopped(app: Host): Promise<void> {
  let asked = false;
  const stopped = new Promise<void>((resolve, reject) => {
    app.onStopped(resolve);
    const onSignal = (signal: NodeJS.Signals): void => {
      if (asked) process.exit(128 + constants.signals[signal]);
      asked = true;
      app.stop().then(resolve, reject);
    };
    for (const signal of SIGNALS) process.on(signal, onSignal);
    app.onStopped(() => SIGNALS.forEach((signal) => process.off(signal, onSignal)));
  });
  await app.start();
  await stopped;
}
