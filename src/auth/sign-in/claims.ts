import type { Step } from '../../store/store.ts';

/** Clocks of replicas differ, and the store may take its time between the check of a message and its claim. */
const MARGIN_SECONDS = 60;

/** The step that makes a message good for one time: it fails where somebody was faster, as long as the message could be accepted. */
export const claimUntil = (key: string, acceptableUntilMs: number, nowMs: number): Extract<Step, { do: 'claim' }> => ({
  do: 'claim',
  key,
  ttlSeconds: Math.max(0, Math.ceil((acceptableUntilMs - nowMs) / 1000)) + MARGIN_SECONDS,
});
