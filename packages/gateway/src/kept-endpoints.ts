/** Discovery of which only some endpoints count. */
import type { Endpoint, EndpointSet } from '@mesh/model';
import type { Endpoints } from '@mesh/proxy';

/** The same watches, without the endpoints that `isKept` refuses. */
export function keptEndpoints(endpoints: Endpoints, isKept: (endpoint: Endpoint) => boolean): Endpoints {
  return {
    watch(path) {
      const watched = endpoints.watch(path);
      let seen: EndpointSet | undefined;
      let kept: EndpointSet | undefined;
      return {
        get current() {
          const { current } = watched;
          if (current !== seen) {
            seen = current;
            kept = current === undefined ? undefined : keep(current, isKept);
          }
          return kept;
        },
        onChange: (listener) => watched.onChange(listener),
        release: () => watched.release(),
      };
    },
  };
}

/** Endpoints of this cluster: one behind another gateway would make a chain of what was meant for here. */
export const isLocal = ({ authorityOverride }: Endpoint): boolean => authorityOverride === undefined;

function keep(all: EndpointSet, isKept: (endpoint: Endpoint) => boolean): EndpointSet {
  const kept = new Map([...all].filter(([, endpoint]) => isKept(endpoint)));
  return kept.size === all.size ? all : kept;
}
