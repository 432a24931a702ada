import type { ComponentChildren } from 'preact';
import { assetUrl } from './assets.ts';
import { HELP } from './docs/help.ts';
import { Document } from './layout.tsx';
import { type Frame, type SectionId, sectionsOf, type Viewer } from './navigation.ts';
import { ForeignText } from './parts/foreign-text.tsx';
import { CsrfField } from './parts/form.tsx';
import { NoticeBox } from './parts/notice.tsx';

export interface ConsolePageProps {
  readonly frame: Frame;
  readonly section: SectionId;
  /** The heading. It may contain text from users. */
  readonly title: string;
  /** One sentence below the heading about the purpose of the page. */
  readonly lead?: ComponentChildren;
  /** Links and buttons beside the heading that act on the whole page. */
  readonly actions?: ComponentChildren;
  /** The page above this one. */
  readonly back?: { readonly href: string; readonly label: string };
  /** Scripts under /assets, in addition to the copy buttons. */
  readonly scripts?: readonly string[];
  readonly children: ComponentChildren;
}

export const TEXTS = {
  skip: 'Skip to content',
  navigation: 'Console',
  menu: 'Menu',
  operator: 'Operator',
  signOut: 'Sign out',
  endSetup: 'End setup',
  product: 'samlgate',
  help: 'Help for this page',
  documentation: 'Documentation',
  reference: 'API reference',
} as const;

/** Renders a page of the console with its header, navigation and content. */
export function ConsolePage({ frame, section, title, lead, actions, back, scripts = [], children }: ConsolePageProps) {
  return (
    <Document
      title={frame.organization && frame.organization.name !== title ? `${title} · ${frame.organization.name}` : title}
      scripts={['copy.js', ...scripts]}
    >
      <a class="skip" href="#content">
        {TEXTS.skip}
      </a>
      <ConsoleHeader frame={frame} section={section} />
      <main id="content" class="console">
        {frame.notice ? <NoticeBox {...frame.notice} /> : null}
        {back ? (
          <p class="back">
            <a href={back.href}>← {back.label}</a>
          </p>
        ) : null}
        <div class="heading">
          <h1>
            <ForeignText text={title} />
          </h1>
          {actions ? <div class="actions">{actions}</div> : null}
        </div>
        {lead ? <p class="lead">{lead}</p> : null}
        {children}
      </main>
      <footer class="below">
        <a href={HELP[section]}>{TEXTS.help}</a>
        <a href="/docs">{TEXTS.documentation}</a>
        <a href="/api/docs">{TEXTS.reference}</a>
      </footer>
    </Document>
  );
}

function ConsoleHeader({ frame, section }: { readonly frame: Frame; readonly section: SectionId }) {
  const sections = sectionsOf(frame);
  const list = (
    <ul>
      {sections.map(({ id, path, label }) => (
        <li>
          <a href={`${frame.base}${path}`} {...(id === section ? { 'aria-current': 'page' as const } : {})}>
            {label}
          </a>
        </li>
      ))}
    </ul>
  );
  return (
    <header class="top">
      <div class="bar">
        <Brand frame={frame} />
        <ViewerMenu viewer={frame.viewer} csrfToken={frame.csrfToken} />
      </div>
      {sections.length < 2 ? null : (
        <>
          <nav class="tabs" aria-label={TEXTS.navigation}>
            {list}
          </nav>
          <details class="menu">
            <summary>{sections.find(({ id }) => id === section)?.label ?? TEXTS.menu}</summary>
            <nav aria-label={TEXTS.navigation}>{list}</nav>
          </details>
        </>
      )}
    </header>
  );
}

function Brand({ frame: { viewer, organization, base } }: { readonly frame: Frame }) {
  const icon = <img src={assetUrl('icon.svg')} alt="" width="28" height="28" />;
  if (viewer.kind !== 'operator') {
    return (
      <a class="brand" href={viewer.kind === 'setup' ? `${base}/single-sign-on` : base}>
        {icon} <ForeignText text={organization?.name ?? TEXTS.product} />
      </a>
    );
  }
  return (
    <p class="brand">
      <a class="brand" href="/console/operator">
        {icon} {TEXTS.operator}
      </a>
      {organization ? (
        <>
          <span class="divider" aria-hidden="true">
            /
          </span>
          <a class="brand" href={base}>
            <ForeignText text={organization.name} />
          </a>
        </>
      ) : null}
    </p>
  );
}

const SIGN_OUT: Readonly<Record<Viewer['kind'], string>> = {
  member: '/logout',
  operator: '/console/operator/sign-out',
  setup: '/setup/leave',
};

function ViewerMenu({ viewer, csrfToken }: { readonly viewer: Viewer; readonly csrfToken: string }) {
  return (
    <div class="who">
      {viewer.kind === 'member' ? (
        <span class="person">
          <ForeignText text={viewer.name} /> <span class="badge">{viewer.role}</span>
        </span>
      ) : null}
      <form method="post" action={SIGN_OUT[viewer.kind]}>
        <CsrfField token={csrfToken} />
        <button type="submit" class="quiet">
          {viewer.kind === 'setup' ? TEXTS.endSetup : TEXTS.signOut}
        </button>
      </form>
    </div>
  );
}
