// The TLS contexts of the listeners: made from the PEM texts that the privileged side read, exchanged as a whole
// when it reads them again.

import { X509Certificate, createPrivateKey } from 'node:crypto';
import { type SecureContext, createSecureContext } from 'node:tls';
import type { TlsProvider } from '@postcote/wire/edge';
import type { TlsFiles } from '../ipc.ts';

interface Contexts {
  readonly main: SecureContext;
  readonly named: ReadonlyMap<string, SecureContext>;
}

export class ExchangeableTls implements TlsProvider {
  #contexts: Contexts;

  /** Throws, with the files' names, when key and certificate do not make a pair. */
  constructor(files: TlsFiles) {
    this.#contexts = makeContexts(files);
  }

  secureContext(): SecureContext {
    return this.#contexts.main;
  }

  secureContextFor(serverName: string): SecureContext | undefined {
    return this.#contexts.named.get(serverName.toLowerCase());
  }

  /** New connections take the new pairs. Throws and keeps the old ones when one is no pair. */
  exchange(files: TlsFiles): void {
    this.#contexts = makeContexts(files);
  }
}

function makeContexts(files: TlsFiles): Contexts {
  const named = (files.named ?? []).map(([name, pair]) => [name.toLowerCase(), makeContext(pair)] as const);
  return { main: makeContext(files), named: new Map(named) };
}

function makeContext(files: TlsFiles): SecureContext {
  try {
    if (!new X509Certificate(files.certificate).checkPrivateKey(createPrivateKey(files.key)))
      throw new Error('the key does not belong to the certificate');
    return createSecureContext({ cert: files.certificate, key: files.key, honorCipherOrder: true });
  } catch (error) {
    throw new Error(`${files.source}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
