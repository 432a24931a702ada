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
  /** What will happen. */
  readonly children: ComponentChildren;
  /** Where the yes is sent; it carries nothing but `csrf` and, where asked for, `confirmation`. */
  readonly action: string;
  /** The yes, as the button has it: “Remove Ada”. */
  readonly yes: string;
  /** Where a no leads. */
  readonly cancelHref: string;
  /** What must be typed first. */
  readonly typed?: { readonly label: string; readonly expected: string };
  /** Something else than the expected text was typed. */
  readonly mistyped?: boolean;
}

/** Asks before what can't be undone. */
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
              Cancel
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
      {label}: <code>{visibleText(expected)}</code>
      <input
        name="confirmation"
        type="text"
        required
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        {...(mistyped ? { 'aria-invalid': true, 'aria-describedby': 'mistyped' } : {})}
      />
      {mistyped ? (
        <small id="mistyped" role="alert">
          That is not it. Nothing was done.
        </small>
      ) : null}
    </label>
  );
}
