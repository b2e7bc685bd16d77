import { defineConfig } from 'vitest/config';

// Without `module`: packages that offer it for bundlers (the AWS SDK) have no file extensions in it, and Node needs them.
const conditions = ['@portcullis/source', 'node', 'development|production'];
const shared = { resolve: { conditions }, ssr: { resolve: { conditions } } } as const;

export default defineConfig({
  test: {
    projects: [
      {
        ...shared,
        test: { name: 'unit', include: ['packages/*/src/**/*.test.ts'], testTimeout: 30_000, hookTimeout: 60_000 },
      },
      {
        ...shared,
        test: { name: 'system', include: ['test/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 120_000 },
      },
    ],
  },
});
