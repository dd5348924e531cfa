/**
 * A browser whose system has no language may call it `en-US@posix`, which is no language tag: uPlot would throw when it
 * is loaded. So this is imported before it.
 */
try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, 'language', { value: 'en-US' });
}
