import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { adminApiPage } from './admin-api-page.js';
import { root } from './pages.js';

describe('the reference page of the administration API', () => {
  it('is as the API describes itself', async () => {
    await expect(adminApiPage()).toMatchFileSnapshot(join(root, 'docs', 'reference', 'admin-api.md'));
  });
});
