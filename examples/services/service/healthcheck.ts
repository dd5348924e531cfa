/** For Docker, from inside the container: exits with 0 if the service answers. */
const url = `http://127.0.0.1:${process.env.PROBE_PORT || 8081}/livez`;
const response = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
process.exitCode = response?.ok ? 0 : 1;
