import type { ComponentChildren } from 'preact';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { SETUP_STEPS, type SetupProgress, type SetupStepId } from './steps.ts';

const TEXTS = {
  singleSignOn: 'Single sign-on',
  setupSteps: 'Setup steps',
  stepOf: (number: number, count: number) => `Step ${number} of ${count}`,
  done: '(done)',
} as const;

export interface StepPageProps {
  readonly frame: Frame;
  readonly step: SetupStepId | 'done';
  readonly progress: SetupProgress;
  /** The product that was chosen. If set, earlier steps are links even before anything is saved. */
  readonly product?: string | undefined;
  readonly title: string;
  readonly lead?: ComponentChildren;
  readonly scripts?: readonly string[];
  readonly children: ComponentChildren;
}

export const stepPath = ({ singleSignOnPath }: Frame, step: SetupStepId | 'done', product?: string): string =>
  `${singleSignOnPath}/steps/${step}${product === undefined ? '' : `?idp=${encodeURIComponent(product)}`}`;

/** Renders one step of the setup below the list of all steps. */
export const StepPage = ({ frame, step, progress, product, title, lead, scripts, children }: StepPageProps) => (
  <ConsolePage
    frame={frame}
    section="single-sign-on"
    title={title}
    back={{ href: frame.singleSignOnPath, label: TEXTS.singleSignOn }}
    {...(lead === undefined ? {} : { lead })}
    {...(scripts === undefined ? {} : { scripts })}
  >
    <Progress frame={frame} step={step} progress={progress} product={product} />
    {children}
  </ConsolePage>
);

/** Lists the steps. Those that are done, the next one, and those before this one are links. */
function Progress({ frame, step, progress: { done, next }, product }: Pick<StepPageProps, 'frame' | 'step' | 'progress' | 'product'>) {
  const number = SETUP_STEPS.findIndex(({ id }) => id === step) + 1;
  return (
    <nav class="progress" aria-label={TEXTS.setupSteps}>
      {number === 0 ? null : <p>{TEXTS.stepOf(number, SETUP_STEPS.length)}</p>}
      <ol>
        {SETUP_STEPS.map(({ id, label }, index) => (
          <li class={done.has(id) ? 'done' : undefined}>
            {id === step ? (
              <strong aria-current="step">{label}</strong>
            ) : done.has(id) || id === next ? (
              <a href={stepPath(frame, id)}>{label}</a>
            ) : product !== undefined && index < number ? (
              <a href={stepPath(frame, id, product)}>{label}</a>
            ) : (
              <span>{label}</span>
            )}
            {done.has(id) ? <span class="unseen"> {TEXTS.done}</span> : null}
          </li>
        ))}
      </ol>
    </nav>
  );
}
