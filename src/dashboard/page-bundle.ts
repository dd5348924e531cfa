/** What the page is made of: one script and one style sheet. */
export interface PageBundle {
  /** A module of JavaScript, as text. */
  readonly script: string;
  /** A style sheet, as text. */
  readonly style: string;
}

/**
 * The page. The build replaces this module by one that has the page in it, and the tests do the same: nothing else
 * runs TSX.
 */
export const pageBundle: PageBundle = {
  script: `document.body.textContent = 'The page of the dashboard was not built: npm run build';`,
  style: '',
};
