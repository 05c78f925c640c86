// Runs a full-screen program on a terminal of its own and presses keys: each step waits for what it needs to see (the
// screen's text as it was written, without its control sequences) before it presses anything.

import { spawn } from 'node:child_process';
import { eventually } from './eventually.ts';

/** What to wait for since the last step, and what to type then. */
export type Step = readonly [sees: RegExp, keys: string];

export interface TerminalOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** Plays the steps and waits for the program's end; throws with what was on the screen when a step does not come. */
export async function onTerminal(
  command: string,
  steps: readonly Step[],
  { env, timeoutMs = 30_000 }: TerminalOptions,
): Promise<string> {
  // `script` lends it a terminal.
  const child = spawn(
    'script',
    ['--quiet', '--return', '--command', `stty rows 40 cols 120; exec ${command}`, '/dev/null'],
    { stdio: 'pipe', env: { ...process.env, TERM: 'xterm', LANG: 'C.UTF-8', ...env } },
  );
  let screen = '';
  let all = '';
  const take = (chunk: Buffer): void => {
    const text = chunk.toString('utf8');
    screen += text;
    all += text;
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  child.stdin.on('error', () => {});
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs * 2);
  try {
    for (const [sees, keys] of steps) {
      await eventually(() => {
        if (!sees.test(plain(screen)))
          throw new Error(`${command} does not show ${String(sees)}, but:\n${plain(all).slice(-3000)}`);
      }, timeoutMs);
      screen = '';
      child.stdin.write(keys);
    }
    await ended;
  } finally {
    clearTimeout(timer);
    child.kill('SIGKILL');
    await ended;
  }
  return plain(all);
}

function plain(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(/\u001b(?:\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>]|\][^\u0007]*\u0007)/g, ' ');
}
