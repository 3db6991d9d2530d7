import { constants } from 'node:os';
import type { Host } from './host.js';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** The longest that a timer of Node's waits, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

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
    // Waiting for a signal does not keep a process up, and neither does everything that an app stands on.
    const alive = setInterval(() => {}, LONGEST_MS);
    app.onStopped(() => {
      clearInterval(alive);
      for (const signal of SIGNALS) process.off(signal, onSignal);
    });
  });
  await app.start();
  await stopped;
}
