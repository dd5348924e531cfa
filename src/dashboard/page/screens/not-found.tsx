import { linkTo } from '../data/router.ts';
import { Empty } from '../parts/feedback.tsx';
import { Screen } from '../parts/panel.tsx';

export function NotFound() {
  return (
    <Screen title="Nothing here">
      <div class="panel">
        <Empty title="This address leads nowhere">
          Choose a screen from the menu, or{' '}
          <a href={linkTo('attention')}>see what needs attention</a>.
        </Empty>
      </div>
    </Screen>
  );
}
