/** The gRPC face of discovery: streams of endpoints and profiles, each started complete and then kept up to date. */
import { destination } from '@mesh/proxy-api';

import { followNewest, guarded, serviceDefinition, status, subscriberOf } from '../serving/call.ts';
import type { StreamHandler, Subscriber } from '../serving/call.ts';
import type { GrpcService } from '../serving/grpc-server.ts';
import { watchAnswer } from '../serving/watch.ts';
import type { StreamCounts } from '../serving/watch.ts';
import { differences, viewFor } from './client-view.ts';
import type { ClientView } from './client-view.ts';
import { profileFor } from './profile.ts';
import type { ProfileSources } from './profile.ts';
import { sameEndpoints, serviceEndpoints, zoneOf } from './service-endpoints.ts';
import { parseContextToken, parseTarget } from './target.ts';

const NOTHING: ClientView = new Map();

export function destinationService(sources: ProfileSources, streams: StreamCounts): GrpcService {
  const get: StreamHandler<destination.GetDestination, destination.Update> = (call) => {
    guarded(subscriberOf(call), (subscriber) => watchEndpoints(call.request, subscriber, sources, streams));
  };
  const getProfile: StreamHandler<destination.GetDestination, destination.DestinationProfile> = (call) => {
    guarded(subscriberOf(call), (subscriber) => watchProfile(call.request, subscriber, sources, streams));
  };
  return { definition: serviceDefinition(destination.DestinationDefinition), handlers: { get, getProfile } };
}

export function watchEndpoints(
  request: destination.GetDestination,
  subscriber: Subscriber<destination.Update>,
  sources: ProfileSources,
  streams: StreamCounts,
): void {
  const target = parseTarget(request.path, sources.clusterDomain);
  if (target.kind === 'invalid') return subscriber.fail({ code: status.INVALID_ARGUMENT, details: target.message });
  if (target.kind === 'ip') {
    return subscriber.fail({
      code: status.INVALID_ARGUMENT,
      details: `${request.path} is an address: it has a profile, not endpoints`,
    });
  }
  const { queries } = sources.tables;
  const query = { namespace: target.namespace, service: target.service, hostname: target.hostname, port: target.port };
  const { nodeName } = parseContextToken(request.contextToken);
  let sent: ClientView = NOTHING;
  let started = false;

  // Registered one by one: what was begun ends even when the next step fails.
  const opened = streams.opened('get');
  subscriber.onClose(() => opened[Symbol.dispose]());
  const zone = queries.watch(
    { key: `zone ${nodeName}`, compute: (reads) => zoneOf(nodeName, sources.tables, reads), same: Object.is },
    () => advance(),
  );
  subscriber.onClose(() => zone.stop());
  const endpoints = queries.watch(
    {
      key: `endpoints ${target.namespace}/${target.service}:${target.port} ${target.hostname ?? ''}`,
      compute: (reads) => serviceEndpoints(query, sources, reads),
      same: sameEndpoints,
    },
    () => advance(),
  );
  subscriber.onClose(() => endpoints.stop());
  const advance = followNewest(subscriber, () => {
    const current = endpoints.current;
    if (current.kind !== 'endpoints') {
      // The Service went away under the stream: the client forgets its endpoints, and hears of them again when it returns.
      if (started && sent === NOTHING) return true;
      sent = NOTHING;
      started = true;
      streams.sent('get', 'no_endpoints');
      return subscriber.send({ update: { $case: 'noEndpoints', value: { exists: false } } });
    }
    const view = viewFor(current, { nodeName, zone: zone.current });
    const messages = updatesFor(sent, view, current.labels, started);
    sent = view.size === 0 ? NOTHING : view;
    started = true;
    let keepsUp = true;
    for (const message of messages) {
      streams.sent('get', message.update?.$case ?? '');
      keepsUp = subscriber.send(message) && keepsUp;
    }
    return keepsUp;
  });
  const first = endpoints.current;
  if (first.kind === 'not_found') return subscriber.fail({ code: status.NOT_FOUND, details: first.message });
  if (first.kind === 'invalid') return subscriber.fail({ code: status.INVALID_ARGUMENT, details: first.message });
  advance();
}

export function watchProfile(
  request: destination.GetDestination,
  subscriber: Subscriber<destination.DestinationProfile>,
  sources: ProfileSources,
  streams: StreamCounts,
): void {
  const target = parseTarget(request.path, sources.clusterDomain);
  watchAnswer({
    method: 'get_profile',
    queries: sources.tables.queries,
    key: JSON.stringify(target),
    compute: (reads) => profileFor(target, sources, reads),
    subscriber,
    streams,
  });
}

/**
 * The messages that bring a client from `before` to `after`. The first one of a stream is complete and never missing.
 * Clients that go the same step get the same objects, so that they are encoded once.
 */
function updatesFor(
  before: ClientView,
  after: ClientView,
  labels: Readonly<Record<string, string>>,
  started: boolean,
): readonly destination.Update[] {
  if (after.size === 0 && !started) return NO_ENDPOINTS;
  const known = STEPS.get(after);
  if (known?.before.deref() === before) return known.messages;
  const { add, remove } = differences(before, after);
  const messages: destination.Update[] = [];
  if (add.length > 0) {
    messages.push({ update: { $case: 'add', value: { addrs: [...add], metricLabels: { ...labels } } } });
  }
  if (remove.length > 0) messages.push({ update: { $case: 'remove', value: { addrs: [...remove] } } });
  STEPS.set(after, { before: new WeakRef(before), messages });
  return messages;
}

/** A client keeps its old endpoints until a new stream says something: silence would leave dead ones in use. */
const NO_ENDPOINTS: readonly destination.Update[] = [{ update: { $case: 'noEndpoints', value: { exists: true } } }];

/** The last step towards a view, which most of its clients take. Weak on both sides: views must not form a chain through history. */
const STEPS = new WeakMap<
  ClientView,
  { readonly before: WeakRef<ClientView>; readonly messages: readonly destination.Update[] }
>();
