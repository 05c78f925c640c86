// Runs a client program to its end and gives what it wrote. No shell: arguments are passed as they are.

import { spawn } from 'node:child_process';

export interface ProgramResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options with their values may stand together in an inner list. */
export type ProgramArguments = readonly (string | readonly string[])[];

export interface ProgramOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly timeoutMs?: number;
}

export function runProgram(
  program: string,
  args: ProgramArguments,
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const { input, env, cwd, uid, gid, timeoutMs = 60_000 } = options;
    const child = spawn(program, args.flat(), {
      stdio: 'pipe',
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('latin1')));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('latin1')));
    child.stdin.on('error', () => {});
    child.stdin.end(input ?? '');
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr });
    });
  });
}

/** As `runProgram`, but an exit code other than 0 throws with what the program wrote. */
export async function mustRun(
  program: string,
  args: ProgramArguments,
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  const result = await runProgram(program, args, options);
  if (result.code !== 0) {
    throw new Error(
      `${program} ended with ${result.code}:\n${result.stdout.slice(-4000)}\n${result.stderr.slice(-4000)}`,
    );
  }
  return result;
}
