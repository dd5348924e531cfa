#!/usr/bin/env node
import { commandOutput } from './schema/command-output.ts';

try {
  process.stdout.write(commandOutput(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}
