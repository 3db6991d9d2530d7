/**
 * The source of one function while it is written, and the values that it is given by name.
 *
 * Text that others chose, such as names of fields, comes into it as {@link literal} only.
 */
export class GeneratedSource {
  readonly #lines: string[] = [];
  readonly #given = new Map<string, unknown>();
  #indent = '  ';

  /** Makes a value known to the source. @returns the name that it has there */
  give(name: string, value: unknown): string {
    this.#given.set(name, value);
    return name;
  }

  line(...lines: readonly string[]): void {
    for (const line of lines) this.#lines.push(this.#indent + line);
  }

  /** Adds `head { ... }` with what `body` adds inside. */
  block(head: string, body: () => void): void {
    this.line(`${head} {`);
    const outer = this.#indent;
    this.#indent += '  ';
    body();
    this.#indent = outer;
    this.line('}');
  }

  /**
   * The function with these parameters; stack traces and debuggers show it under `verb` and `name`.
   *
   * Throws an `EvalError` where code generation is forbidden.
   */
  compile(verb: string, name: string, parameters: string): unknown {
    const title = `${verb}_${name.replaceAll(/\W/g, '_')}`;
    const text = [
      "'use strict';",
      `return function ${title}(${parameters}) {`,
      ...this.#lines,
      '};',
      `//# sourceURL=octavo:///schema/${title}.js`,
    ];
    // oxlint-disable-next-line typescript/no-implied-eval -- all that it is made of is written in this folder, but for literals
    const make = new Function(...this.#given.keys(), text.join('\n'));
    return make(...this.#given.values()) as unknown;
  }
}

let allowed: boolean | undefined;

/** Whether code may be generated here: a flag of Node's and embedders can forbid it. */
export function canGenerate(): boolean {
  if (allowed === undefined)
    try {
      new GeneratedSource().compile('try', 'generating', '');
      allowed = true;
    } catch {
      allowed = false;
    }
  return allowed;
}

/** A string as source. */
export function literal(text: string): string {
  return JSON.stringify(text);
}
