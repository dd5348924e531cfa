import './data/language.ts';
import { render } from 'preact';
import { App } from './app/app.tsx';
import { startClock } from './data/clock.ts';
import { followVisibility } from './data/live.ts';
import { followAddress } from './data/router.ts';
import { followSignOuts, loadSession } from './data/session.ts';
import { applySettings } from './data/settings.ts';
import { followStats } from './data/stats.ts';
import './styles/tokens.css';
import './styles/base.css';
import './styles/shell.css';
import './styles/parts.css';
import './styles/screens.css';

applySettings();
followAddress();
followSignOuts();
followVisibility();
followStats();
startClock();
void loadSession();

const root = document.getElementById('app');
if (root !== null) render(<App />, root);
