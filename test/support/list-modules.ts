/** Loaded with `--import`. At exit, it writes the list of loaded modules to the file that MODULE_LIST names. */
import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const loaded: string[] = [];
registerHooks({
  load(url, context, nextLoad) {
    loaded.push(url);
    return nextLoad(url, context);
  },
});
process.on('exit', () => writeFileSync(process.env.MODULE_LIST ?? '', loaded.join('\n')));
