#!/usr/bin/env node
import { program } from 'commander';
import { addServe } from './cli/serve.ts';

program.name('samlgate').description('SAML 2.0 single sign-on gateway').version('0.1.0');
addServe(program);
await program.parseAsync();
