/** One line on standard error that says what is being done; on a terminal it is written over, elsewhere there is one for each step. */
export class Progress {
  #step = '';

  at(step: string, what: string): void {
    if (process.stderr.isTTY) process.stderr.write(`\r${`${step}: ${what}`.padEnd(60)}`);
    else if (step !== this.#step) process.stderr.write(`${step}\n`);
    this.#step = step;
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write(`\r${''.padEnd(60)}\r`);
  }
}
