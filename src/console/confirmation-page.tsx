import type { ComponentChildren } from 'preact';
import { ConsolePage } from './console-page.tsx';
import type { Frame, SectionId } from './navigation.ts';
import { visibleText } from './parts/foreign-text.tsx';
import { PostForm } from './parts/form.tsx';

export interface ConfirmationPageProps {
  readonly frame: Frame;
  readonly section: SectionId;
  /** The question. */
  readonly title: string;
  /** The consequences. */
  readonly children: ComponentChildren;
  /** The URL that the confirmation is posted to, with `csrf` and, if requested, `confirmation` as its only fields. */
  readonly action: string;
  /** The label of the confirming button, verb + noun: “Remove Ada”. */
  readonly yes: string;
  /** The page that Cancel leads to. */
  readonly cancelHref: string;
  /** A text that the user must type before the action is allowed. */
  readonly typed?: { readonly label: string; readonly expected: string };
  /** Whether the user typed something other than the expected text. */
  readonly mistyped?: boolean;
}

const TEXTS = {
  cancel: 'Cancel',
  typed: (label: string, expected: ComponentChildren) => (
    <>
      {label}: {expected}
    </>
  ),
  mistyped: 'The text does not match. Nothing has changed yet.',
} as const;

/** Asks for confirmation of an action that cannot be undone. */
export function ConfirmationPage(props: ConfirmationPageProps) {
  const { frame, section, title, children, action, yes, cancelHref, typed, mistyped = false } = props;
  return (
    <ConsolePage frame={frame} section={section} title={title}>
      <div class="panel danger">
        {children}
        <PostForm action={action} csrfToken={frame.csrfToken}>
          {typed ? <TypedConfirmation {...typed} mistyped={mistyped} /> : null}
          <div class="buttons">
            <button type="submit" class="danger">
              {visibleText(yes)}
            </button>
            <a class="button secondary" href={cancelHref}>
              {TEXTS.cancel}
            </a>
          </div>
        </PostForm>
      </div>
    </ConsolePage>
  );
}

function TypedConfirmation({ label, expected, mistyped }: { label: string; expected: string; mistyped: boolean }) {
  return (
    <label>
      {TEXTS.typed(label, <code>{visibleText(expected)}</code>)}
      <input
        name="confirmation"
        type="text"
        required
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        autofocus
        {...(mistyped ? { 'aria-invalid': true, 'aria-describedby': 'mistyped' } : {})}
      />
      {mistyped ? (
        <small id="mistyped" role="alert">
          {TEXTS.mistyped}
        </small>
      ) : null}
    </label>
  );
}
