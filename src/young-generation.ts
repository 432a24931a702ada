/**
 * Imported first of all. Loading modules makes a lot of short-lived garbage once; it must not size the young generation of a
 * process that then idles (some 12 MB). Traffic may: {@link letYoungGenerationGrow} is called when the gateway listens.
 */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--semi-space-growth-factor=1');

/*
 * Where V8 has seen objects survive it makes their like in the old generation at once. The parts of a message's tree survive when
 * a collection comes while it is read; those that are made old from then on keep the others alive, until the next full one.
 */
setFlagsFromString('--no-allocation-site-pretenuring');

/** V8's own setting from here on. */
export function letYoungGenerationGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
}
