#!/usr/bin/env node
/** The command `samlgate`. Exit codes: 0 done, 1 refused or failed, 2 wrong usage. */
import { CommanderError, program } from 'commander';
import { addDemo } from './cli/demo.ts';
import { CommandError, UsageError } from './cli/gateway-api.ts';
import { addMembers } from './cli/members.ts';
import { addMockIdp } from './cli/mock-idp.ts';
import { addOrg } from './cli/org.ts';
import { addServe } from './cli/serve.ts';

program
  .name('samlgate')
  .description('SAML 2.0 single sign-on gateway')
  .version('0.1.0')
  .exitOverride()
  .configureHelp({ sortSubcommands: false })
  .showSuggestionAfterError();
for (const add of [addServe, addOrg, addMembers, addMockIdp, addDemo]) add(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

function exitCodeOf(error: unknown): number {
  // Commander has printed its own message (usage or help) already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError || error instanceof CommandError) {
    process.stderr.write(`${error.message}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
  throw error;
}
