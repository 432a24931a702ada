import { OWN_LABELS, type ProductTask } from './idp-product.ts';

const TEXTS = {
  gatewayValue: (label: string) => `the ${label}`,
  field: (label: string, value: string) => `${label} takes ${value}`,
  button: (label: string) => `button ${label}`,
  sketch: (title: string, parts: readonly string[]) => `Sketch of the screen ${title}. ${parts.join('. ')}.`,
} as const;

const WIDTH = 360;
const TOP = 44;
const ROW = 50;
const FOOT = 48;

const shortened = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max - 1)}…` : text);
const shownValue = ({ value }: NonNullable<ProductTask['fields']>[number]): string =>
  typeof value === 'string' ? value : TEXTS.gatewayValue(OWN_LABELS[value.own]);

/** Draws a screen of the identity provider as a simple form, with its fields, their values and the buttons to click. */
export function Sketch({ task: { title, fields = [], buttons = [] } }: { readonly task: ProductTask }) {
  const height = TOP + fields.length * ROW + (buttons.length > 0 ? FOOT : 8);
  const texts = [...fields.map((field) => TEXTS.field(field.label, shownValue(field))), ...buttons.map(TEXTS.button)];
  return (
    <svg class="sketch" viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-label={TEXTS.sketch(title, texts)}>
      <rect class="window" x="1" y="1" width={WIDTH - 2} height={height - 2} rx="8" />
      <text class="title" x="16" y="26">
        {shortened(title, 44)}
      </text>
      <line class="rule" x1="1" x2={WIDTH - 1} y1="38" y2="38" />
      {fields.map((field, index) => (
        <Row field={field} y={TOP + index * ROW} />
      ))}
      <Buttons labels={buttons} y={height - 38} />
    </svg>
  );
}

function Row({ field, y }: { readonly field: NonNullable<ProductTask['fields']>[number]; readonly y: number }) {
  const isOwn = typeof field.value !== 'string';
  if (field.kind === 'box') {
    return (
      <>
        <rect class="own" x="16" y={y + 16} width="16" height="16" rx="3" />
        <path class="tick" d={`M19.5 ${y + 24} l3.5 4 l5.5 -8`} />
        <text class="label" x="42" y={y + 28}>
          {shortened(field.label, 50)}
        </text>
      </>
    );
  }
  return (
    <>
      <text class="label" x="16" y={y + 13}>
        {shortened(field.label, 52)}
      </text>
      <rect class={isOwn ? 'own' : 'input'} x="16" y={y + 18} width={WIDTH - 32} height="24" rx="4" />
      <text class={isOwn ? 'own-value' : 'value'} x="24" y={y + 34}>
        {shortened(shownValue(field), 50)}
      </text>
      {field.kind === 'choice' ? <path class="tick" d={`M${WIDTH - 36} ${y + 27} l5 6 l5 -6`} /> : null}
    </>
  );
}

function Buttons({ labels, y }: { readonly labels: readonly string[]; readonly y: number }) {
  let right = WIDTH - 16;
  return (
    <>
      {[...labels].reverse().map((label, index) => {
        const width = 28 + label.length * 7;
        right -= width;
        const x = right;
        right -= 8;
        return (
          <>
            <rect class={index === 0 ? 'press' : 'input'} x={x} y={y} width={width} height="26" rx="5" />
            <text class={index === 0 ? 'press-text' : 'value'} x={x + width / 2} y={y + 17} text-anchor="middle">
              {label}
            </text>
          </>
        );
      })}
    </>
  );
}
