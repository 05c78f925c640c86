// Public entry of the package: main.cf, master.cf, lookup tables and dovecot.conf as typed settings that know their
// file and line. Everything here is pure; `@postcote/config/edge` reads the machine's files.

export * from './origin.ts';
export type { FileRead, InterfaceAddress, System } from './system.ts';
export {
  formatAddress,
  formatNetwork,
  networkContains,
  parseIpAddress,
  parseIpNetwork,
  type IpAddress,
  type IpNetwork,
} from './ip-address.ts';
export { expand, type Expansion, type NameLookup } from './postfix/expand.ts';
export { parseMainCf, type Definition, type MainCf } from './postfix/main-cf.ts';
export { parseMasterCf, type MasterCf, type MasterService, type ServiceType } from './postfix/master-cf.ts';
export { planListeners, portOf, type SmtpListener } from './postfix/listeners.ts';
export { PostfixSettings, type SettingsSource } from './postfix/postfix-settings.ts';
export { camelCase, restrictionListNames, type KnownSettings } from './postfix/known-settings.ts';
export {
  findParameter,
  parameterNames,
  type Parameter,
  type ParameterType,
} from './postfix/parameter-table.ts';
export { takesArgument, type Restriction } from './postfix/restrictions.ts';
export { parseBool, parseInteger, parseTime, splitList, stripBraces } from './postfix/values.ts';
export { honouredParameters } from './postfix/honoured-parameters.ts';
export { checkPostfix, type PostfixReportOptions } from './postfix/report.ts';
export {
  makeSearchList,
  makeTable,
  TableError,
  whenReady,
  type LookupScope,
  type LookupTable,
  type MaybePromise,
  type TableEntry,
} from './tables/lookup-table.ts';
export type { MatchList, MatchSubject } from './tables/match-list.ts';
export {
  openTable,
  type LiveFile,
  type OpenFile,
  type OpenRequest,
  type TablePorts,
} from './tables/open-table.ts';
export { looksLikeTable, parseTableSpec, type TableSpec } from './tables/table-spec.ts';
export { TableRegistry, type TableContext } from './tables/table-registry.ts';
export {
  foldKey,
  parseAliasText,
  parsePostmapText,
  TextMap,
  type ParsedTable,
  type ParseTable,
} from './tables/text-map.ts';
export type * from './dovecot/dovecot-settings.ts';
export type { QuotaSettings } from './dovecot/quota.ts';
export {
  expandUserPath,
  parseMailLocation,
  type MailLocation,
  type UserVariables,
} from './dovecot/mail-location.ts';
export {
  parseDovecot,
  type DovecotNode,
  type DovecotSection,
  type DovecotSetting,
  type DovecotTree,
} from './dovecot/parse.ts';
export { readDovecot } from './dovecot/read-dovecot.ts';
export { checkDovecot, honouredDovecotSettings } from './dovecot/report.ts';
export { mustNotStart, readConfiguration, type Configuration, type LoadRequest } from './load.ts';
export { formatDovecot, formatPostfix, type FormatOptions, type PostfixFormatOptions } from './format.ts';
export {
  checkAnswers,
  guideFiles,
  siteKinds,
  systemPaths,
  type GuideAnswers,
  type GuideFile,
  type GuidePaths,
  type SiteKind,
} from './guide-files.ts';
