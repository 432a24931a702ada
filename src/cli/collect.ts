/** Adds the value of a repeatable option to its former values. `--no-…` before it has left false. */
export const collect = (value: string, before: readonly string[] | false = []): string[] => [...(before || []), value];
