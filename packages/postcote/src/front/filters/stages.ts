// Both stages in which filters see mail, put together: that of SMTP sessions and that of local mail.

import { mkdir } from 'node:fs/promises';
import { BodySpool } from '@postcote/milter/edge';
import type { LoadedConfiguration } from '@postcote/config/edge';
import { MessageRefused } from '@postcote/smtp';
import type { Log } from '@postcote/wire';
import type { Entrance } from '../cleanup-entrance.ts';
import type { FilterSettings } from './filter-settings.ts';
import { LocalFilter, returnRefused } from './local-filter.ts';
import { type FilterLimits, SessionFilter } from './session-filter.ts';

export interface FilterStagesOptions {
  readonly next: Entrance;
  readonly log: Log;
  /** For bodies that are too large to keep in memory; nothing in it has a name for long. */
  readonly folder: string;
  settings(): LoadedConfiguration;
  local(): FilterSettings | undefined;
}

export class FilterStages {
  readonly ofSessions: Entrance;
  readonly ofLocalMail: Entrance;
  /** Of mail that the server writes itself. */
  readonly ofNotices: Entrance;

  static async open(options: FilterStagesOptions): Promise<FilterStages> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    return new FilterStages(options);
  }

  private constructor({ next, log, folder, settings, local }: FilterStagesOptions) {
    const common = {
      next,
      log,
      openBody: () => new BodySpool({ folder }),
      limits: (): FilterLimits => {
        const { postfix, tables } = settings();
        const hasChecks = postfix.list('milter_header_checks').length > 0;
        return {
          ...(hasChecks ? { headerChecks: tables.parameter(postfix, 'milter_header_checks') } : {}),
          messageSizeLimit: postfix.int('message_size_limit'),
          headerSizeLimit: postfix.int('header_size_limit'),
        };
      },
    };
    this.ofSessions = new SessionFilter(common);
    const ofLocal = {
      ...common,
      settings: local,
      myhostname: () => settings().postfix.string('myhostname'),
    };
    this.ofLocalMail = new LocalFilter({ ...ofLocal, refuse: returnRefused });
    this.ofNotices = new LocalFilter({
      ...ofLocal,
      refuse(reply) {
        throw new MessageRefused(reply);
      },
    });
  }
}
