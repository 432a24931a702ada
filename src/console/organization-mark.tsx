import { ForeignText, visibleText } from './parts/foreign-text.tsx';

const SEGMENTER = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Returns the first characters of the first two words, in capitals. */
export function initialsOf(name: string): string {
  const words = visibleText(name).split(/\s+/).filter(Boolean).slice(0, 2);
  return words.map((word) => [...SEGMENTER.segment(word)][0]?.segment.toUpperCase() ?? '').join('');
}

/** What pages outside the console show of an organization. */
export interface ShownOrganization {
  readonly name: string;
  readonly logo?: ShownLogo | undefined;
}

export interface ShownLogo {
  readonly path: string;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
}

/** In CSS pixels. */
const LOGO_WIDTH = 200;
const LOGO_HEIGHT = 48;

/** Shows an organization by its name, and by its logo or its initials. The name describes the logo. */
export const OrganizationMark = ({ name, logo }: ShownOrganization) => (
  <>
    {logo === undefined ? (
      <span class="mark" aria-hidden="true">
        {initialsOf(name)}
      </span>
    ) : (
      <Logo {...logo} />
    )}{' '}
    <ForeignText text={name} />
  </>
);

/** The size is in the page, so that nothing moves when the image arrives. */
function Logo({ path, width, height }: ShownLogo) {
  const scale = Math.min(LOGO_WIDTH / width, LOGO_HEIGHT / height, 1);
  const pixels = (length: number) => Math.max(1, Math.round(length * scale));
  return <img class="logo" src={path} alt="" width={pixels(width)} height={pixels(height)} />;
}
