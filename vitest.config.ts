import { defineConfig } from 'vitest/config';

// Two projects: `unit` is quick and touches no daemon; `integration` starts real processes, one file at a time.
export default defineConfig({
  test: {
    reporters: ['default', './scripts/closing-reporter.mjs'],
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'packages/*/src/**/*.test.ts',
            'test/transcripts/*.test.ts',
            'test/fuzz/*.test.ts',
            'test/bench/*.test.ts',
          ],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          pool: 'forks',
        },
      },
    ],
  },
});
