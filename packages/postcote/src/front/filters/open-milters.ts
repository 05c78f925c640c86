// The filters of one SMTP session: `smtpd_milters`, or what `smtpd_milter_maps` says for the client.

import { type MacroLookup, type MilterService, Milters, type OpenChannel } from '@postcote/milter';
import { socketOpener } from '@postcote/milter/edge';
import type { SmtpSettings } from '@postcote/smtp';
import type { FilterSettings } from './filter-settings.ts';

export interface MilterFacts {
  readonly macros: MacroLookup;
  readonly warn: (text: string) => void;
}

/** Nothing where no session of these settings is filtered: such sessions must not wait for it. */
export function openMiltersOf(settings: FilterSettings | undefined): Pick<SmtpSettings, 'openMilters'> {
  if (settings === undefined) return {};
  const open = socketOpener(settings.queueDirectory);
  return {
    async openMilters(client, facts) {
      const services = await servicesFor(client, settings);
      return services.length === 0 ? undefined : miltersOf(services, { settings, open, facts });
    },
  };
}

export function miltersOf(
  services: readonly MilterService[],
  {
    settings,
    open,
    facts,
  }: { readonly settings: FilterSettings; readonly open: OpenChannel; readonly facts: MilterFacts },
): Milters {
  const { macros, softBounce } = settings;
  return new Milters({ services, open, macros, lookup: facts.macros, softBounce, warn: facts.warn });
}

/** POSTFIX: a table that cannot be asked now is as if it had no entry. */
async function servicesFor(
  client: string,
  { maps, services, servicesIn }: FilterSettings,
): Promise<readonly MilterService[]> {
  try {
    const entry = await maps?.find(client);
    return entry === undefined ? services : servicesIn(entry.value);
  } catch {
    return services;
  }
}
