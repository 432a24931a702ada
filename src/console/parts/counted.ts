/** Formats a count with its noun: “1 token”, “3 tokens”. */
export const counted = (count: number, noun: string): string => `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
