#!/usr/bin/env node
import { portcullis } from './portcullis.js';

// Whoever reads may have enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(2);
  throw error;
});
process.exitCode = await portcullis(process.argv.slice(2));
