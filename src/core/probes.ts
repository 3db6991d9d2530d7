/** Text for those who look after a process. */
export interface Page {
  readonly contentType: string;
  readonly text: string;
}

/** What a listener shows to those who look after the process. */
export interface Probes {
  /** Whether the process is of any use: false asks for a restart. */
  healthy(): boolean;
  /** Whether calls may be sent here: false during start and drain. */
  ready(): boolean;
  /** What was counted, for Prometheus; `undefined` where nothing counts. */
  metrics?(): Promise<Page> | undefined;
}

/** What a probe is answered with. */
export interface ProbeAnswer extends Page {
  readonly status: number;
}

/** The paths that {@link answerProbe} answers by GET and HEAD. */
export const PROBED = ['/health', '/ready', '/metrics'] as const;

/** Answers a probe, on whatever wire it came. */
export async function answerProbe(path: (typeof PROBED)[number], probes: Probes): Promise<ProbeAnswer> {
  if (path === '/metrics') return scraped(probes);
  const fine = path === '/health' ? probes.healthy() : probes.ready();
  return stated(fine ? 200 : 503, { status: fine ? 'ok' : 'unavailable' });
}

async function scraped(probes: Probes): Promise<ProbeAnswer> {
  try {
    const page = await probes.metrics?.();
    if (page !== undefined) return { status: 200, ...page };
    return stated(404, { status: 'not found', hint: 'nothing counts: attach octavo/wrapper/metrics' });
  } catch {
    // What is wrong with a gauge of the user's is not for everybody.
    return stated(500, { status: 'internal', hint: 'a metric threw: its own text() says why' });
  }
}

/** `{"status":"ok"}`, as go-micro's gateway says it. */
function stated(status: number, state: Readonly<Record<string, string>>): ProbeAnswer {
  return { status, contentType: 'application/json', text: JSON.stringify(state) };
}
