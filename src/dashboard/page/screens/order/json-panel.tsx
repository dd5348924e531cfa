import type { JsonView } from '../../../api.ts';
import { indented } from '../../data/format/json.ts';
import { Panel } from '../../parts/panel.tsx';
import { CopyButton } from '../../parts/values.tsx';

interface JsonPanelProps {
  readonly title: string;
  readonly json: JsonView;
}

export function JsonPanel({ title, json: { text, isCut } }: JsonPanelProps) {
  return (
    <Panel title={title} tools={<CopyButton text={text} what="JSON" />}>
      <section class="json-frame" aria-label={title}>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys. */}
        <pre class="json" tabIndex={0} dir="ltr">
          {indented(text)}
        </pre>
      </section>
      {isCut && <p class="small muted">It is longer than 64 KiB, and was cut.</p>}
    </Panel>
  );
}
