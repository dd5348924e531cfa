import { linkTo } from '../data/router.ts';
import { Empty } from '../parts/feedback.tsx';
import { Screen } from '../parts/panel.tsx';

export function NotFound({ address }: { readonly address: string }) {
  return (
    <Screen title="Nothing here">
      <div class="panel">
        <Empty title="This address leads nowhere">
          <bdi>{address}</bdi> Choose a screen from the menu, or{' '}
          <a href={linkTo('attention')}>see what needs attention</a>.
        </Empty>
      </div>
    </Screen>
  );
}
