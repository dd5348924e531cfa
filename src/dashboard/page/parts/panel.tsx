import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

interface ScreenProps {
  readonly title: ComponentChildren;
  /** What kind of thing the title names. */
  readonly kind?: string;
  /** Beside the title: a status. */
  readonly beside?: ComponentChildren;
  readonly tools?: ComponentChildren;
  readonly children: ComponentChildren;
}

export function Screen({ title, kind, beside, tools, children }: ScreenProps) {
  return (
    <div class="screen">
      <div class="screen-head">
        <div>
          {kind && <div class="screen-kind">{kind}</div>}
          <h1 tabIndex={-1}>
            {title} {beside}
          </h1>
        </div>
        {tools && <div class="screen-tools">{tools}</div>}
      </div>
      {children}
    </div>
  );
}

interface PanelProps {
  readonly title: ComponentChildren;
  readonly tools?: ComponentChildren;
  readonly tone?: 'bad' | 'warn' | undefined;
  /** Whether the content touches the border, as tables do. */
  readonly isFlush?: boolean;
  readonly children: ComponentChildren;
}

export function Panel({ title, tools, tone, isFlush = false, children }: PanelProps) {
  const id = useId();
  return (
    <section class={tone === undefined ? 'panel' : `panel ${tone}`} aria-labelledby={id}>
      <div class="panel-head">
        <h2 id={id}>{title}</h2>
        {tools}
      </div>
      {isFlush ? children : <div class="panel-body">{children}</div>}
    </section>
  );
}

interface FactProps {
  readonly name: string;
  readonly isLarge?: boolean;
  readonly children: ComponentChildren;
}

export function Fact({ name, isLarge = false, children }: FactProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={isLarge ? 'large' : undefined}>{children}</dd>
    </div>
  );
}

interface TileProps {
  readonly name: string;
  readonly value: ComponentChildren;
  readonly note?: ComponentChildren;
  readonly tone?: 'bad' | 'warn' | undefined;
  readonly href?: string;
}

/** One number that says how things are. */
export function Tile({ name, value, note, tone = undefined, href }: TileProps) {
  const content = (
    <>
      <span class="tile-name">{name}</span>
      <span class="tile-value">{value}</span>
      {note && <span class="tile-note">{note}</span>}
    </>
  );
  const style = tone === undefined ? 'tile' : `tile ${tone}`;
  if (href === undefined) return <div class={style}>{content}</div>;
  return (
    <a class={style} href={href}>
      {content}
    </a>
  );
}
