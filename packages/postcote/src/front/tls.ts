// The TLS contexts of the listeners: made from the PEM texts that the privileged side read, exchanged as a whole
// when it reads them again.

import { X509Certificate, createPrivateKey } from 'node:crypto';
import {
  DEFAULT_CIPHERS,
  type SecureContext,
  type SecureContextOptions,
  createSecureContext,
} from 'node:tls';
import type { TlsRules } from '@postcote/smtp';
import type { TlsProvider } from '@postcote/wire/edge';
import type { TlsFiles } from '../ipc.ts';

interface Contexts {
  readonly main: SecureContext;
  readonly named: ReadonlyMap<string, SecureContext>;
}

export class ExchangeableTls implements TlsProvider {
  #files: TlsFiles;
  #contexts: Contexts;
  /** Contexts of the pairs of now for listeners with rules of their own. */
  #ruled = new WeakMap<TlsRules, TlsProvider>();

  /** Throws, with the files' names, when key and certificate do not make a pair. */
  constructor(files: TlsFiles) {
    this.#files = files;
    this.#contexts = makeContexts(files);
  }

  /** The same pairs under a listener's rules. */
  under(rules: TlsRules): TlsProvider {
    const known = this.#ruled.get(rules);
    if (known !== undefined) return known;
    const contexts = makeContexts(this.#files, rules);
    const provider: TlsProvider = {
      secureContext: () => contexts.main,
      secureContextFor: (name) => contexts.named.get(name.toLowerCase()),
      ...(rules.askCertificate ? { clientCertificates: { digest: rules.fingerprintDigest } } : {}),
    };
    this.#ruled.set(rules, provider);
    return provider;
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
    this.#files = files;
    this.#ruled = new WeakMap();
  }
}

function makeContexts(files: TlsFiles, rules?: TlsRules): Contexts {
  const named = (files.named ?? []).map(
    ([name, pair]) => [name.toLowerCase(), makeContext(pair, rules)] as const,
  );
  return { main: makeContext(files, rules), named: new Map(named) };
}

function makeContext(files: TlsFiles, rules?: TlsRules): SecureContext {
  try {
    if (!new X509Certificate(files.certificate).checkPrivateKey(createPrivateKey(files.key)))
      throw new Error('the key does not belong to the certificate');
    return createSecureContext({
      cert: files.certificate,
      key: files.key,
      honorCipherOrder: true,
      ...(rules === undefined ? {} : optionsOf(rules)),
    });
  } catch (error) {
    throw new Error(`${files.source}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

function optionsOf(rules: TlsRules): SecureContextOptions {
  const { minVersion, maxVersion, excludedCiphers, askCertificate, authorities } = rules;
  return {
    minVersion,
    maxVersion,
    ...(excludedCiphers.length === 0
      ? {}
      : { ciphers: [DEFAULT_CIPHERS, ...excludedCiphers.map((cipher) => `!${cipher}`)].join(':') }),
    // Nobody but those that main.cf names; and sessions that are taken up again keep to this listener.
    ...(askCertificate ? { ca: [...authorities], sessionIdContext: 'smtpd' } : {}),
  };
}
