import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { LiveMessages } from '../../api.ts';
import { onMessage } from './live.ts';
import { get, RequestError } from './requests.ts';
import { type Query, queryText } from './router.ts';
import { Store, useStore } from './store.ts';

/** What a screen has of an answer. What was shown stays while it is asked for again. */
export interface Resource<T> {
  readonly data: T | undefined;
  readonly error: RequestError | undefined;
  readonly isLoading: boolean;
  readonly reload: () => void;
}

/** Counts what makes all resources ask again: an action was done, the processor came back. */
export const revision = new Store(0);

export function reloadAll(): void {
  revision.set(revision.value + 1);
}

interface Loaded<T> {
  readonly key: string;
  readonly data: T | undefined;
  readonly error: RequestError | undefined;
}

/**
 * Asks for an answer, and again when the question changes.
 *
 * @param path - `undefined`: asks for nothing
 * @param topic - messages of this name have a newer answer
 * @param isFor - whether a message is about what the screen shows now
 */
export function useResource<T>(
  path: string | undefined,
  query: Query = {},
  topic?: keyof LiveMessages,
  isFor: (data: T) => boolean = () => true,
): Resource<T> {
  const key = path === undefined ? '' : `${path}?${queryText(query)}`;
  const [loaded, setLoaded] = useState<Loaded<T>>();
  const [isLoading, setLoading] = useState(false);
  const [asked, setAsked] = useState(0);
  const round = useStore(revision);
  const shown = useRef({ key, isFor });
  shown.current = { key, isFor };

  useEffect(() => {
    if (path === undefined) return undefined;
    const controller = new AbortController();
    setLoading(true);
    get<T>(path, query, controller.signal)
      .then((data) => setLoaded({ key, data, error: undefined }))
      .catch((error: RequestError) => {
        if (controller.signal.aborted) return;
        setLoaded((before) => ({
          key,
          data: before?.key === key ? before.data : undefined,
          error,
        }));
      })
      .finally(() => {
        if (!controller.signal.aborted) setLoading(false);
      });
    return () => controller.abort();
  }, [key, asked, round]);

  useEffect(() => {
    if (topic === undefined || path === undefined) return undefined;
    const ends = [
      onMessage(topic, (message) => {
        const data = message as T;
        const { key, isFor } = shown.current;
        if (isFor(data)) setLoaded({ key, data, error: undefined });
      }),
      onMessage('trouble', (trouble) => {
        if (trouble.topic !== topic) return;
        const error = new RequestError(trouble.code, trouble.message);
        setLoaded((before) => before && { ...before, error });
      }),
    ];
    return () => {
      for (const end of ends) end();
    };
  }, [topic, path]);

  const reload = useCallback(() => setAsked((before) => before + 1), []);
  const own = loaded?.key === key ? loaded : undefined;
  return { data: own?.data, error: own?.error, isLoading, reload };
}
