// The TLS contexts of the listeners: made from the PEM texts that the privileged side read, exchanged as a whole
// when it reads them again.

import { X509Certificate, createPrivateKey } from 'node:crypto';
import { type SecureContext, createSecureContext } from 'node:tls';
import type { TlsProvider } from '@postcote/wire/edge';
import type { TlsFiles } from '../ipc.ts';

export interface TlsPolicy {
  /** OpenSSL's name of the lowest protocol; Node's default (TLSv1.2) when absent. */
  readonly minVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
}

export class ExchangeableTls implements TlsProvider {
  #context: SecureContext;

  /** Throws, with the files' names, when key and certificate do not make a pair. */
  constructor(files: TlsFiles, policy: TlsPolicy = {}) {
    this.#context = makeContext(files, policy);
  }

  secureContext(): SecureContext {
    return this.#context;
  }

  /** New connections take the new pair. Throws and keeps the old one when it is no pair. */
  exchange(files: TlsFiles, policy: TlsPolicy = {}): void {
    this.#context = makeContext(files, policy);
  }
}

function makeContext(files: TlsFiles, policy: TlsPolicy): SecureContext {
  try {
    if (!new X509Certificate(files.certificate).checkPrivateKey(createPrivateKey(files.key)))
      throw new Error('the key does not belong to the certificate');
    return createSecureContext({
      cert: files.certificate,
      key: files.key,
      honorCipherOrder: true,
      ...(policy.minVersion === undefined ? {} : { minVersion: policy.minVersion }),
    });
  } catch (error) {
    throw new Error(`${files.source}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
