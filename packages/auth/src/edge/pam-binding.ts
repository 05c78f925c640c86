// Loads authenticate-pam, as patched by this project and compiled by scripts/build-native.sh. Loaded on first
// use and in the authenticator alone: it is native code, and the only such code that runs as root.

import { createRequire } from 'node:module';

export interface PamOptions {
  readonly serviceName: string;
  readonly remoteHost?: string;
  readonly tty?: string;
}

export interface PamBinding {
  /** Marks the patched module; the published one has none. */
  readonly revision?: unknown;
  /** `done()` for success, else `done(message, PAM code, phase)`. Throws on arguments it does not take. */
  authenticate(
    user: string,
    password: string,
    done: (message?: string, code?: number, phase?: 'start' | 'authenticate' | 'account' | 'end') => void,
    options: PamOptions,
  ): void;
}

export class PamBindingError extends Error {
  override readonly name = 'PamBindingError';
}

/** `modulePath`: where the package or its `.node` file is, when it does not stand beside this file. */
export function loadPamBinding(modulePath = 'authenticate-pam'): PamBinding {
  let loaded: unknown;
  try {
    loaded = createRequire(import.meta.url)(modulePath);
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new PamBindingError(`cannot load ${modulePath} (run scripts/build-native.sh): ${why}`, {
      cause: error,
    });
  }
  const binding = loaded as PamBinding;
  if (typeof binding.authenticate !== 'function' || typeof binding.revision !== 'string') {
    throw new PamBindingError(`${modulePath} is not the patched module: run scripts/build-native.sh`);
  }
  return binding;
}
