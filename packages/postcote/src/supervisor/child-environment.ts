// What our processes see of the environment the server was started in: where programs and messages are, and our own
// settings. Not the rest of a root shell: it may hold secrets, and a process that faces the network needs none.

const KEPT =
  /^(?:PATH|LANG|LANGUAGE|LC_[A-Z]+|TZ|TZDIR|TMPDIR|JOURNAL_STREAM|MALLOC_\w+|GLIBC_TUNABLES|POSTCOTE_\w+)$/;

export function childEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  poolSize: number | undefined,
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment))
    if (value !== undefined && KEPT.test(name)) kept[name] = value;
  if (poolSize !== undefined) kept['UV_THREADPOOL_SIZE'] = String(poolSize);
  return kept;
}
