// Public entry of the package: what happens to a message between the door it came in by and the queue. Pure; tables and
// the log come through ports. `rewriteField` serves whoever else changes addresses in headers.

export { type Scanned, type Token, formatAddresses, parseAddresses } from './address-tokens.ts';
export { isAscii, toBinary, toText } from './binary-text.ts';
export { askChecks } from './ask-checks.ts';
export { type CheckAction, LOG_WORDS, readAction } from './check-actions.ts';
export {
  type CleanupLog,
  type CleanupPorts,
  CleanupStream,
  type MessageFacts,
  type Verdict,
} from './cleanup-stream.ts';
export { type CleanEnvelope, type CleanRecipient, cleanEnvelope } from './envelope.ts';
export { type FieldKind, fieldName, findField } from './header-fields.ts';
export { type MapContext, mapAddress } from './map-address.ts';
export { MessageWalk, type WalkEvent, type WalkOptions } from './message-walk.ts';
export { redirectedFrom } from './redirected.ts';
export { type RewriteContext, type RewriteRules, completeAddress } from './rewrite-context.ts';
export { type AddressChange, type FieldRewriting, foldField, rewriteField } from './rewrite-header.ts';
export {
  type AddressPlace,
  type CanonicalMap,
  type CheckTable,
  type CleanupSettings,
  type Masquerade,
  type MaybePromise,
  NO_OVERRIDES,
  type Overrides,
} from './settings.ts';
export { type Steps, runSteps, settled } from './steps.ts';
