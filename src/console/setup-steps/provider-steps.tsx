import type { ComponentChildren } from 'preact';
import type { Frame } from '../navigation.ts';
import { Copy } from '../parts/copy.tsx';
import { Facts } from '../parts/facts.tsx';
import { OWN_LABELS, type OwnValue, type ProductTask } from './idp-product.ts';
import { IDP_PRODUCTS, type IdpProductId } from './idp-products.ts';
import { Sketch } from './sketch.tsx';
import { StepPage, stepPath } from './step-page.tsx';
import type { SetupProgress } from './steps.ts';

const TEXTS = {
  title: 'Which identity provider do you use?',
  lead: 'The next steps show its screens with the values to enter. You can stop at any time and continue later.',
  createApplication: 'Create the application',
  createApplicationIn: (product: string) => `Create the application in ${product}`,
  howToFollow: 'Open the administration of your identity provider in another tab, and follow these tasks in order.',
  tasks: 'Tasks',
  continueToMetadata: 'Continue to metadata',
  chooseAnother: 'Choose another identity provider',
  task: (letter: string, title: string) => `${letter}. ${title}`,
  valueToCopy: (value: string, field: string) => `${value} for ${field}`,
  thenClick: (buttons: ComponentChildren) => <>Then click {buttons}.</>,
  and: ' and ',
} as const;

export interface ProviderStepProps {
  readonly frame: Frame;
  readonly progress: SetupProgress;
  readonly chosen: IdpProductId | undefined;
}

/** Step 1: the identity provider. */
export const ProviderStep = ({ frame, progress, chosen }: ProviderStepProps) => (
  <StepPage frame={frame} step="provider" progress={progress} title={TEXTS.title} lead={TEXTS.lead}>
    <ul class="products">
      {Object.entries(IDP_PRODUCTS).map(([id, { label }]) => (
        <li>
          <a class="product" href={stepPath(frame, 'application', id)} {...(id === chosen ? { 'aria-current': 'true' as const } : {})}>
            {label}
          </a>
        </li>
      ))}
    </ul>
  </StepPage>
);

export interface ApplicationStepProps {
  readonly frame: Frame;
  readonly progress: SetupProgress;
  readonly product: IdpProductId;
  readonly values: Readonly<Record<OwnValue, string>>;
}

/** Step 2: the application at the identity provider. */
export function ApplicationStep({ frame, progress, product, values }: ApplicationStepProps) {
  const { label, tasks, kind } = IDP_PRODUCTS[product];
  return (
    <StepPage
      frame={frame}
      step="application"
      progress={progress}
      title={kind === 'other' && product === 'other' ? TEXTS.createApplication : TEXTS.createApplicationIn(label)}
      lead={TEXTS.howToFollow}
    >
      <section class="panel tasks" aria-label={TEXTS.tasks}>
        <Tasks tasks={tasks} values={values} opensAll />
      </section>
      <div class="buttons">
        <a class="button" href={stepPath(frame, 'metadata', product)}>
          {TEXTS.continueToMetadata}
        </a>
        <a class="button secondary" href={stepPath(frame, 'provider', product)}>
          {TEXTS.chooseAnother}
        </a>
      </div>
    </StepPage>
  );
}

export interface TasksProps {
  readonly tasks: readonly ProductTask[];
  readonly values: Readonly<Record<OwnValue, string>>;
  /** Unfolds all tasks, so that administrators scroll instead of clicking. Otherwise one is unfolded. */
  readonly opensAll?: boolean;
}

/** Shows tasks at the identity provider. */
export const Tasks = ({ tasks, values, opensAll = false }: TasksProps) => (
  <>
    {tasks.map((task, index) => (
      <details {...(opensAll ? {} : { name: 'task' })} open={opensAll || index === 0}>
        <summary>{TEXTS.task(String.fromCharCode(65 + index), task.title)}</summary>
        <Task task={task} values={values} />
      </details>
    ))}
  </>
);

function Task({ task, values }: { readonly task: ProductTask } & Pick<ApplicationStepProps, 'values'>) {
  const { text, fields = [], code, note, buttons } = task;
  return (
    <div class="task">
      <div>
        <p>{text}</p>
        {fields.length === 0 ? null : (
          <Facts
            facts={fields.map(({ label, value }) => [
              label,
              typeof value === 'string' ? value : <Copy value={values[value.own]} what={TEXTS.valueToCopy(OWN_LABELS[value.own], label)} />,
            ])}
          />
        )}
        {code === undefined ? null : (
          <pre>
            <code>{code.replaceAll('{entityId}', values.entityId)}</code>
          </pre>
        )}
        {note === undefined ? null : <p class="hint">{note}</p>}
        {buttons === undefined ? null : (
          <p>
            {TEXTS.thenClick(
              buttons.map((button, index) => (
                <>
                  {index === 0 ? null : TEXTS.and}
                  <strong>{button}</strong>
                </>
              )),
            )}
          </p>
        )}
      </div>
      {fields.length > 0 || buttons ? <Sketch task={task} /> : null}
    </div>
  );
}
