export type { AccessSettings, TempfailAction, UnverifiedRules } from './access-settings.ts';
export {
  type Path,
  formatMailbox,
  isAddressLiteral,
  isHostname,
  parseMailbox,
  parsePath,
} from './address.ts';
export { type ClientEvent, ClientLimits, type ClientRateLimits } from './client-limits.ts';
export { type ClientSettings, type TlsLevel, defaultClientSettings } from './client/client-settings.ts';
export type { OutboundBody, OutboundMessage, OutboundRecipient } from './client/message.ts';
export { encodeXtext } from './client/message.ts';
export { findHosts, parseNextHop, parsePort } from './client/next-hop.ts';
export { type LevelReading, parseTlsLevel } from './client/tls-policy.ts';
export type { SecureDns } from './client/dane.ts';
export type { TlsaRecord } from './client/dns-message.ts';
export { type TlsWish, tlsRange } from './client/tls-versions.ts';
export { anchorsOf } from './client/trust-anchors.ts';
export {
  type Route,
  type TransportRules,
  type TransportTable,
  findRoute,
  parseTransport,
} from './client/transport.ts';
export { type ClientName, type NamedClient, UNKNOWN_CLIENT, findClientName } from './client-name.ts';
export type { SmtpPorts } from './conversation.ts';
export { NetworkSyntaxError, compileNetworks } from './networks.ts';
export * from './ports.ts';
export { formatMailDate } from './received.ts';
export { type RelayClient, type RelayVerdict, type RoutingRules, relayVerdict } from './relay.ts';
export { type Reply, formatReply } from './reply.ts';
export { type ListRun, evaluateLists } from './restrictions/evaluate.ts';
export type {
  Decision,
  RestrictionClass,
  RestrictionInput,
  RestrictionWord,
  TraceStep,
  WordVerdict,
} from './restrictions/types.ts';
export {
  RESTRICTIONS_WITH_ARGUMENT,
  RESTRICTION_WORDS,
  SUPPORTED_RESTRICTIONS,
} from './restrictions/words.ts';
export { SmtpSession, type SmtpSessionOptions } from './session.ts';
export {
  type DnsblSite,
  type ScreenAction,
  type ScreenSettings,
  parseDnsblSite,
} from './screen/screen-settings.ts';
export * from './settings.ts';
export { DEFAULT_TLS_RULES, type TlsRules, type TlsVersion, parseTlsProtocols } from './tls-rules.ts';
